"""The environment of ranks and their port; `test_main` runs trials of several ranks."""

from __future__ import annotations

import errno
import fcntl
import json
import socket

import pytest

from autofinetune.runner.ranks import VARIABLES, Ranks, environments, network_variables


def test_one_process_gets_nothing_more() -> None:
    ranks = Ranks(["worker"], "run/0/1")
    assert ranks.environments == [{}]
    ranks.close()


def test_each_rank_knows_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "7")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    ranks = Ranks(["worker"] * 3, "run/4/1")
    found = ranks.environments
    for name in ("RANK", "LOCAL_RANK", "ROLE_RANK"):
        assert [env[name] for env in found] == ["0", "1", "2"]
    assert [env.pop("AUTOFINETUNE_REPORT_FILE", "") for env in found] == ["", *["/dev/null"] * 2]
    own = found[0]
    assert own == {
        "RANK": "0", "TORCHELASTIC_USE_AGENT_STORE": "False",
        "LOCAL_RANK": "0", "ROLE_RANK": "0", "GROUP_RANK": "0", "ROLE_NAME": "default",
        "WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "3", "ROLE_WORLD_SIZE": "3",
        "GROUP_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": own["MASTER_PORT"],
        "TORCHELASTIC_RUN_ID": "run/4/1", "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_MAX_RESTARTS": "0", "AUTOFINETUNE_RANK": "0",
    }  # fmt: skip
    assert {env["TORCHELASTIC_USE_AGENT_STORE"] for env in found} == {"False"}
    assert {env["MASTER_PORT"] for env in found} == {own["MASTER_PORT"]}
    ranks.close()


FAMILIES = [socket.AF_INET, *([socket.AF_INET6] if socket.has_dualstack_ipv6() else [])]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_port_is_kept_for_rank_0(family: socket.AddressFamily) -> None:
    ranks = Ranks(["worker"] * 2, "run/0/1")
    port = int(ranks.environments[0]["MASTER_PORT"])
    with socket.socket() as stranger, pytest.raises(OSError, match="in use") as caught:
        stranger.bind(("127.0.0.1", port))
    assert caught.value.errno == errno.EADDRINUSE
    with socket.create_server(("", port), family=family) as store:
        assert store.getsockname()[1] == port
    ranks.close()
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))


@pytest.mark.parametrize("framework", VARIABLES)
def test_the_variables_of_a_framework_are_these(framework: str) -> None:
    ranks = Ranks(["worker"] * 2, "run/0/1", framework)
    assert {*ranks.environments[0]} == {*VARIABLES[framework], "AUTOFINETUNE_RANK"}
    ranks.close()


def test_two_trials_have_two_ports() -> None:
    many = [Ranks(["worker"] * 2, f"run/{number}/1") for number in range(100)]
    assert len({ranks.environments[0]["MASTER_PORT"] for ranks in many}) == 100
    for ranks in many:
        ranks.close()


def test_tensorflow_finds_its_cluster_and_its_task() -> None:
    ranks = Ranks(["chief", "worker", "worker", "ps", "evaluator"], "run/0/1", "tensorflow")
    found = [json.loads(env["TF_CONFIG"]) for env in ranks.environments]
    assert [one["task"] for one in found] == [
        {"type": "chief", "index": 0}, {"type": "worker", "index": 0},
        {"type": "worker", "index": 1}, {"type": "ps", "index": 0},
        {"type": "evaluator", "index": 0},
    ]  # fmt: skip
    cluster = found[0]["cluster"]
    assert all(one["cluster"] == cluster for one in found)
    assert {role: len(hosts) for role, hosts in cluster.items()} == {
        "chief": 1, "worker": 2, "ps": 1,
    }  # fmt: skip
    hosts = [host for group in cluster.values() for host in group]
    assert len(set(hosts)) == 4
    assert all(host.startswith("127.0.0.1:") for host in hosts)
    assert [env["AUTOFINETUNE_RANK"] for env in ranks.environments] == list("01234")
    port = int(cluster["worker"][1].partition(":")[2])
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)):
        pass  # as the task does itself
    ranks.close()


def test_one_process_of_tensorflow_has_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    ranks = Ranks(["worker"], "run/0/1", "tensorflow")
    assert "TF_CONFIG" not in ranks.environments[0]


def test_xgboost_finds_its_tracker() -> None:
    ranks = Ranks(["master", "worker"], "run/0/1", "xgboost")
    first, second = ranks.environments
    port = first["DMLC_TRACKER_PORT"]
    for rank, env in enumerate((first, second)):
        assert env["RANK"] == env["DMLC_TASK_ID"] == env["AUTOFINETUNE_RANK"] == str(rank)
        assert env["DMLC_TRACKER_PORT"] == env["MASTER_PORT"] == port
        assert env["DMLC_TRACKER_URI"] == env["MASTER_ADDR"] == "127.0.0.1"
        assert env["DMLC_NUM_WORKER"] == env["WORLD_SIZE"] == "2"
        assert env["DMLC_ROLE"] == "worker"
    with socket.socket() as tracker:
        tracker.bind(("127.0.0.1", int(port)))  # which does not set SO_REUSEADDR
    ranks.close()


def test_on_several_nodes_each_rank_knows_its_own_and_that_of_rank_0() -> None:
    places = [(0, "10.0.0.1", 4711), (0, "10.0.0.1", 4712), (1, "10.0.0.2", 5000)]
    found = environments(["worker"] * 3, "run/0/1", "pytorch", places)
    names = ("RANK", "LOCAL_RANK", "GROUP_RANK", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE")
    assert [[own[name] for name in names] for own in found] == [
        ["0", "0", "0", "2", "2"], ["1", "1", "0", "2", "2"], ["2", "0", "1", "1", "2"],
    ]  # fmt: skip
    assert {(own["MASTER_ADDR"], own["MASTER_PORT"]) for own in found} == {("10.0.0.1", "4711")}
    assert [own.get("AUTOFINETUNE_REPORT_FILE") for own in found] == [None, *["/dev/null"] * 2]
    (cluster,) = {
        json.dumps(json.loads(own["TF_CONFIG"])["cluster"])
        for own in environments(["chief", "worker", "worker"], "r", "tensorflow", places)
    }
    assert json.loads(cluster) == {
        "chief": ["10.0.0.1:4711"], "worker": ["10.0.0.1:4712", "10.0.0.2:5000"],
    }  # fmt: skip


def test_processes_that_have_their_variables_get_no_others() -> None:
    ranks = Ranks(["worker"] * 2, "run/0/1", "")
    assert ranks.environments == [{}, {}]
    ranks.close()


def test_gloo_is_told_the_device_that_leads_to_rank_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tests/cluster` has a network of its own for it."""

    def ioctl(end: socket.socket, request: int, name: bytes) -> bytes:
        if name.startswith(b"down"):
            raise OSError(errno.EADDRNOTAVAIL, "no address")
        own = "127.0.0.1" if name.startswith(b"eth7") else "10.0.0.1"
        return name[:20] + socket.inet_aton(own) + bytes(16)

    names = [(1, "down"), (2, "eth6"), (3, "eth7")]
    with monkeypatch.context() as patch:
        patch.setattr(socket, "if_nameindex", lambda: names)
        patch.setattr(fcntl, "ioctl", ioctl)
        assert network_variables("127.0.0.1") == {"GLOO_SOCKET_IFNAME": "eth7"}
    assert network_variables("127.0.0.1") == {}
    assert network_variables("") == {}
    assert network_variables("no address") == {}
