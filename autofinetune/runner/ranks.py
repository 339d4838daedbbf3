"""What tells the processes of a distributed trial apart: the variables that torchrun sets."""

from __future__ import annotations

import os


class Ranks:
    """The environments of `count` processes that train together on this machine.

    For one process nothing is added. For several there is what `torch.distributed` reads for
    `init_method="env://"` (pytorch.org/docs/stable/elastic/run.html), with rank 0 as the host of
    the store. Its port stays ours until `close`: we bind and do not listen, so that the kernel
    gives it to nobody else, and rank 0 binds it besides as SO_REUSEADDR allows, which the store of
    torch and most servers set.

    Raises:
        OSError: there is no free port.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._common: dict[str, str] = {}
        self._port: int | None = None  # a descriptor
        if count == 1:
            return
        import socket  # only for those who need it: the start of a runner delays its trial

        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(("", 0))
            port = bound.getsockname()[1]
            self._port = bound.detach()
        self._common = {
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
            "ROLE_WORLD_SIZE": str(count),
            "GROUP_WORLD_SIZE": "1",
            "GROUP_RANK": "0",
            "ROLE_NAME": "default",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "TORCHELASTIC_RUN_ID": name,
            "TORCHELASTIC_RESTART_COUNT": "0",
            "TORCHELASTIC_MAX_RESTARTS": "0",
            "TORCHELASTIC_USE_AGENT_STORE": "False",
        }

    def environments(self) -> list[dict[str, str]]:
        """The whole environment of each rank, in order."""
        numbers = ("RANK", "LOCAL_RANK", "ROLE_RANK") if self._common else ()
        return [
            {**os.environ, **self._common, **dict.fromkeys(numbers, str(rank))}
            for rank in range(self._count)
        ]

    def close(self) -> None:
        """Give the port up: no rank lives any more."""
        if self._port is not None:
            os.close(self._port)
