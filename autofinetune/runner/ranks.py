"""The environment variables by which a framework tells the ranks of a trial apart."""

from __future__ import annotations

import os
from collections.abc import Sequence

_HOST = "127.0.0.1"
# The variables that tell processes apart, by framework, with their values.
VARIABLES = {
    # For `init_method="env://"`: pytorch.org/docs/stable/elastic/run.html
    "pytorch": {
        "RANK": "{rank}",
        "LOCAL_RANK": "{rank}",
        "ROLE_RANK": "{rank}",
        "GROUP_RANK": "0",
        "WORLD_SIZE": "{count}",
        "LOCAL_WORLD_SIZE": "{count}",
        "ROLE_WORLD_SIZE": "{count}",
        "GROUP_WORLD_SIZE": "1",
        "ROLE_NAME": "default",
        "MASTER_ADDR": _HOST,
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
        "MASTER_ADDR": _HOST,
        "MASTER_PORT": "{port}",
        "DMLC_TRACKER_URI": _HOST,
        "DMLC_TRACKER_PORT": "{port}",
        "DMLC_NUM_WORKER": "{count}",
        "DMLC_NUM_SERVER": "0",
        "DMLC_ROLE": "worker",
        "DMLC_TASK_ID": "{rank}",
    },
}
_APART = ("evaluator",)  # not part of TensorFlow's training cluster


class Ranks:
    """The environments of the processes that train together on this machine, in order.

    For a single process nothing is added. Ports are reserved until `close`: we bind them without
    listening, so that the kernel gives them to no other process. The listening process can still
    bind them with SO_REUSEADDR, which torch's store, gRPC and most servers set.

    Args:
        roles: the role of each process; only TensorFlow uses it.
        name: the name of the trial.
        framework: a key of `VARIABLES`.

    Raises:
        OSError: there is no free port.
    """

    def __init__(self, roles: Sequence[str], name: str, framework: str = "pytorch") -> None:
        self._ports: list[int] = []  # descriptors, which no fork closes by itself
        self.environments: list[dict[str, str]] = [{} for _ in roles]
        if len(roles) < 2:
            return
        if framework == "tensorflow":
            self.environments = self._tensorflow(roles)
        else:
            port, count = self._reserve(), len(roles)
            for rank, own in enumerate(self.environments):
                for variable, value in VARIABLES[framework].items():
                    own[variable] = value.format(rank=rank, count=count, port=port, name=name)
        if framework == "xgboost":
            self.close()  # a tracker does not set SO_REUSEADDR
        for rank, own in enumerate(self.environments):
            own["AUTOFINETUNE_RANK"] = str(rank)
            if rank > 0:  # only rank 0 reports, even if the script writes to the file
                own["AUTOFINETUNE_REPORT_FILE"] = os.devnull

    def _tensorflow(self, roles: Sequence[str]) -> list[dict[str, str]]:
        """Return TF_CONFIG: tensorflow.org/guide/distributed_training."""
        import json

        cluster: dict[str, list[str]] = {}
        tasks: list[dict[str, object]] = []
        for number, role in enumerate(roles):
            tasks.append({"type": role, "index": roles[:number].count(role)})
            if role not in _APART:
                cluster.setdefault(role, []).append(f"{_HOST}:{self._reserve()}")
        return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]

    def _reserve(self) -> int:
        import socket  # only if needed: the start of a runner delays its trial

        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(("", 0))
            number: int = bound.getsockname()[1]
            self._ports.append(bound.detach())
        return number

    def close(self) -> None:
        """Release the ports, once no rank is alive."""
        while self._ports:
            os.close(self._ports.pop())
