"""The environment variables by which a framework tells the ranks of a trial apart."""

from __future__ import annotations

import os
from collections.abc import Sequence

_HOST = "127.0.0.1"
_SIOCGIFADDR = 0x8915  # netdevice(7): the address of a network device
# The variables that tell processes apart, by framework, with their values.
VARIABLES = {
    # For `init_method="env://"`: pytorch.org/docs/stable/elastic/run.html
    "pytorch": {
        "RANK": "{rank}",
        "LOCAL_RANK": "{local}",
        "ROLE_RANK": "{rank}",
        "GROUP_RANK": "{node}",
        "WORLD_SIZE": "{count}",
        "LOCAL_WORLD_SIZE": "{here}",
        "ROLE_WORLD_SIZE": "{count}",
        "GROUP_WORLD_SIZE": "{nodes}",
        "ROLE_NAME": "default",
        "MASTER_ADDR": "{host}",
        "MASTER_PORT": "{port}",
        "TORCHELASTIC_RUN_ID": "{name}",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_MAX_RESTARTS": "0",
        "TORCHELASTIC_USE_AGENT_STORE": "False",
    },
    "tensorflow": {"TF_CONFIG": "made by `_tensorflow`"},
    # For its tracker, which rank 0 runs, and its workers.
    "xgboost": {
        "RANK": "{rank}",
        "WORLD_SIZE": "{count}",
        "MASTER_ADDR": "{host}",
        "MASTER_PORT": "{port}",
        "DMLC_TRACKER_URI": "{host}",
        "DMLC_TRACKER_PORT": "{port}",
        "DMLC_NUM_WORKER": "{count}",
        "DMLC_NUM_SERVER": "0",
        "DMLC_ROLE": "worker",
        "DMLC_TASK_ID": "{rank}",
    },
}
_APART = ("evaluator",)  # not part of TensorFlow's training cluster


# Where a process runs: the number of its node, the address of that, and a port kept for it there.
Place = tuple[int, str, int]


def environments(
    roles: Sequence[str], name: str, framework: str, places: Sequence[Place]
) -> list[dict[str, str]]:
    """Return the environments of processes that train together, in their order.

    Args:
        roles, places: of each process; only TensorFlow uses the role, and more than one port.
        name: the name of the trial.
        framework: a key of `VARIABLES`.
    """
    if framework == "tensorflow":
        found = _tensorflow(roles, places)
    else:
        _, host, port = places[0]
        nodes = [node for node, _, _ in places]
        found = [
            _filled(
                framework, rank=rank, count=len(roles), local=nodes[:rank].count(node),
                here=nodes.count(node), node=node, nodes=len({*nodes}), host=host, port=port,
                name=name,
            )
            for rank, node in enumerate(nodes)
        ]  # fmt: skip
    for rank, own in enumerate(found):
        own["AUTOFINETUNE_RANK"] = str(rank)
        if rank > 0:  # only rank 0 reports, even if the script writes to the file
            own["AUTOFINETUNE_REPORT_FILE"] = os.devnull
    return found


def _filled(framework: str, **words: object) -> dict[str, str]:
    return {variable: value.format(**words) for variable, value in VARIABLES[framework].items()}


def _tensorflow(roles: Sequence[str], places: Sequence[Place]) -> list[dict[str, str]]:
    """Return TF_CONFIG: tensorflow.org/guide/distributed_training."""
    import json

    cluster: dict[str, list[str]] = {}
    tasks: list[dict[str, object]] = []
    for number, (role, (_, host, port)) in enumerate(zip(roles, places, strict=True)):
        tasks.append({"type": role, "index": roles[:number].count(role)})
        if role not in _APART:
            cluster.setdefault(role, []).append(f"{host}:{port}")
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


def network_variables(address: str) -> dict[str, str]:
    """Return what tells Gloo the network to the node of rank 0, where that is another machine.

    By itself it takes the address that the name of this machine has, and that is often one that
    others cannot reach: 127.0.1.1 on Debian.
    """
    import contextlib  # only if needed, as below
    import fcntl
    import socket

    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.connect((address, 9))  # nothing is sent
        own = socket.inet_aton(end.getsockname()[0])
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # it has no address
                found = fcntl.ioctl(end, _SIOCGIFADDR, name.encode().ljust(40, b"\0"))
                if found[20:24] == own and name != "lo":
                    return {"GLOO_SOCKET_IFNAME": name}
    return {}


class Ports:
    """Ports that the kernel gives to no other process until `close`.

    We bind them without listening. The process that listens can still bind them with
    SO_REUSEADDR, which torch's store, gRPC and most servers set.
    """

    def __init__(self) -> None:
        self._bound: list[int] = []  # descriptors, which no fork closes by itself

    def reserve(self) -> int:
        """Return one; raise OSError if none is free."""
        import socket  # only if needed: the start of a runner delays its trial

        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(("", 0))
            number: int = bound.getsockname()[1]
            self._bound.append(bound.detach())
        return number

    def close(self) -> None:
        while self._bound:
            os.close(self._bound.pop())


def needs_closed(framework: str) -> bool:
    """Whether its processes cannot bind a port that is reserved: they set no SO_REUSEADDR."""
    return framework == "xgboost"


class Ranks:
    """The environments of the processes that train together on this machine, in order.

    For a single process nothing is added, nor without a framework: then they have them already.
    Ports are reserved until `close`, once no rank is alive.

    Args:
        roles, name, framework: as for `environments`.

    Raises:
        OSError: there is no free port.
    """

    def __init__(self, roles: Sequence[str], name: str, framework: str = "pytorch") -> None:
        self._ports = Ports()
        self.environments: list[dict[str, str]] = [{} for _ in roles]
        if len(roles) < 2 or not framework:
            return
        first = self._ports.reserve()
        each = framework == "tensorflow"
        others = [self._ports.reserve() if each else first for _ in roles[1:]]
        places = [(0, _HOST, port) for port in (first, *others)]
        self.environments = environments(roles, name, framework, places)
        if needs_closed(framework):
            self.close()

    def close(self) -> None:
        self._ports.close()
