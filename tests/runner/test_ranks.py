"""The environment of ranks and their port; `test_main` runs trials of several ranks."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from autofinetune.runner.ranks import Ranks


def test_one_process_gets_nothing_more() -> None:
    ranks = Ranks(["worker"], "run/0/1")
    assert ranks.environments() == [dict(os.environ)]
    ranks.close()


def test_each_rank_knows_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "7")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    ranks = Ranks(["worker"] * 3, "run/4/1")
    found = ranks.environments()
    for name in ("RANK", "LOCAL_RANK", "ROLE_RANK"):
        assert [env[name] for env in found] == ["0", "1", "2"]
    own = {name: found[0][name] for name in found[0].keys() - os.environ.keys()}
    assert own == {
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
    port = int(ranks.environments()[0]["MASTER_PORT"])
    with socket.socket() as stranger, pytest.raises(OSError, match="in use") as caught:
        stranger.bind(("127.0.0.1", port))
    assert caught.value.errno == errno.EADDRINUSE
    with socket.create_server(("", port), family=family) as store:
        assert store.getsockname()[1] == port
    ranks.close()
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))


def test_two_trials_have_two_ports() -> None:
    many = [Ranks(["worker"] * 2, f"run/{number}/1") for number in range(100)]
    assert len({ranks.environments()[0]["MASTER_PORT"] for ranks in many}) == 100
    for ranks in many:
        ranks.close()
