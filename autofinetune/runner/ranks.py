"""The environment variables by which a framework tells the ranks of a trial apart."""

from __future__ import annotations

import os
from collections.abc import Sequence

# The variables that tell processes apart, by framework.
VARIABLES = {
    "pytorch": (
        "RANK", "LOCAL_RANK", "ROLE_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE",
        "ROLE_WORLD_SIZE", "GROUP_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT",
        "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_MAX_RESTARTS",
        "TORCHELASTIC_USE_AGENT_STORE",
    ),
    "tensorflow": ("TF_CONFIG",),
    "xgboost": (
        "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "DMLC_TRACKER_URI",
        "DMLC_TRACKER_PORT", "DMLC_NUM_WORKER", "DMLC_NUM_SERVER", "DMLC_ROLE", "DMLC_TASK_ID",
    ),
}  # fmt: skip
_HOST = "127.0.0.1"
_APART = ("evaluator",)  # not part of TensorFlow's training cluster


def _reporting(rank: int) -> dict[str, str]:
    """Return variables that let only rank 0 report, even if the script writes to the file."""
    own = {"AUTOFINETUNE_RANK": str(rank)}
    return own if rank == 0 else own | {"AUTOFINETUNE_REPORT_FILE": os.devnull}


class Ranks:
    """The environments of the processes that train together on this machine.

    For a single process nothing is added. Ports are reserved until `close`: we bind them without
    listening, so that the kernel gives them to no other process. The listening process can still
    bind them with SO_REUSEADDR, which torch's store, gRPC and most servers set.

    Args:
        roles: the role of each process; only TensorFlow uses it.
        name: the name of the trial.
        framework: `pytorch` for what `torch.distributed` reads for `init_method="env://"`
            (pytorch.org/docs/stable/elastic/run.html), `tensorflow` for TF_CONFIG
            (tensorflow.org/guide/distributed_training), `xgboost` for what its tracker and
            workers read, with the same port as MASTER_PORT for rank 0, which runs the tracker.

    Raises:
        OSError: there is no free port.
    """

    def __init__(self, roles: Sequence[str], name: str, framework: str = "pytorch") -> None:
        self._roles = roles
        self._ports: list[int] = []  # descriptors, which no fork closes by itself
        self._own: list[dict[str, str]] = [{} for _ in roles]
        if len(roles) > 1:
            makers = {"tensorflow": self._tensorflow, "xgboost": self._xgboost}
            own = makers[framework]() if framework in makers else self._pytorch(name)
            self._own = [env | _reporting(rank) for rank, env in enumerate(own)]

    def _pytorch(self, name: str) -> list[dict[str, str]]:
        count = str(len(self._roles))
        common = {
            "WORLD_SIZE": count,
            "LOCAL_WORLD_SIZE": count,
            "ROLE_WORLD_SIZE": count,
            "GROUP_WORLD_SIZE": "1",
            "GROUP_RANK": "0",
            "ROLE_NAME": "default",
            "MASTER_ADDR": _HOST,
            "MASTER_PORT": str(self._reserve()),
            "TORCHELASTIC_RUN_ID": name,
            "TORCHELASTIC_RESTART_COUNT": "0",
            "TORCHELASTIC_MAX_RESTARTS": "0",
            "TORCHELASTIC_USE_AGENT_STORE": "False",
        }
        numbers = ("RANK", "LOCAL_RANK", "ROLE_RANK")
        return [common | dict.fromkeys(numbers, str(r)) for r in range(len(self._roles))]

    def _tensorflow(self) -> list[dict[str, str]]:
        import json

        cluster: dict[str, list[str]] = {}
        tasks = []
        before: dict[str, int] = {}
        for role in self._roles:
            tasks.append({"type": role, "index": before.get(role, 0)})
            before[role] = before.get(role, 0) + 1
            if role not in _APART:
                cluster.setdefault(role, []).append(f"{_HOST}:{self._reserve()}")
        return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]

    def _xgboost(self) -> list[dict[str, str]]:
        port, count = str(self._reserve()), str(len(self._roles))
        self.close()  # a tracker does not set SO_REUSEADDR
        common = {
            "MASTER_ADDR": _HOST,
            "MASTER_PORT": port,
            "WORLD_SIZE": count,
            "DMLC_TRACKER_URI": _HOST,
            "DMLC_TRACKER_PORT": port,
            "DMLC_NUM_WORKER": count,
            "DMLC_NUM_SERVER": "0",
            "DMLC_ROLE": "worker",
        }
        return [
            common | {"RANK": str(rank), "DMLC_TASK_ID": str(rank)}
            for rank in range(len(self._roles))
        ]

    def _reserve(self) -> int:
        import socket  # only if needed: the start of a runner delays its trial

        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(("", 0))
            number: int = bound.getsockname()[1]
            self._ports.append(bound.detach())
        return number

    def environments(self) -> list[dict[str, str]]:
        """Return the additional variables of each process, in order."""
        return self._own

    def close(self) -> None:
        """Release the ports, once no rank is alive."""
        while self._ports:
            os.close(self._ports.pop())
