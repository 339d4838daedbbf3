"""The NVIDIA cards of this machine, queried by a child process so that only it can hang."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from autofinetune.errors import EnvironmentProblem
from autofinetune.version import PACKAGE_PARENT

START_PATIENCE_S = 30.0  # a driver without persistence mode initialises card by card
PATIENCE_S = 5.0
_ASK = (
    *(sys.executable, "-S", "-I", "-c"),
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from autofinetune.executors.devices.nvml import serve; serve()",
)


@dataclass(frozen=True)
class Card:
    """One NVIDIA card (or MIG instance) as NVML shows it; memory in bytes, 0 if unknown.

    `used_percent` is the share of time in which it was busy, None if unknown.
    `processes` holds (pid, bytes) of its users, as far as NVML lists them. In a container it lists
    none, or pids that have no meaning there.
    """

    index: int
    uuid: str
    name: str
    used_bytes: int = 0
    total_bytes: int = 0
    processes: tuple[tuple[int, int], ...] = ()
    used_percent: int | None = None


class CardProbe:
    """Queries the cards by a process; a driver that does not answer in time is not queried again.

    `gpu` are the slots that the user asked for; for `cpu` and `cpu:N` no process is started.
    """

    def __init__(self, gpu: str = "auto") -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if not gpu.startswith("cpu") and importlib.util.find_spec("pynvml") is not None:
            self._process = subprocess.Popen(
                [*_ASK, PACKAGE_PARENT, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,  # so that Ctrl-C reaches only us
            )
            self._send()  # it starts while we continue

    def first_cards(self) -> list[Card] | None:
        """Return all cards, or None without a working driver; call it once, before `look`.

        Raise EnvironmentProblem if there is a driver that hangs.
        """
        if self._process is None:
            return None
        answer = self._receive(START_PATIENCE_S)
        if self._process is None:
            raise EnvironmentProblem(
                f"the NVIDIA driver has not answered for {START_PATIENCE_S:g} s",
                "check whether nvidia-smi answers; reboot, or run without cards: --gpu=cpu",
            )
        if answer is None:
            self.close()
        return answer

    def look(self) -> dict[str, Card]:
        """Return the current state of the cards by UUID; empty where it is unknown."""
        if not self._send():
            return {}
        return {card.uuid: card for card in self._receive(PATIENCE_S) or ()}

    def _send(self) -> bool:
        if self._process is None or self._process.stdin is None:
            return False
        try:
            self._process.stdin.write(b"?\n")
        except OSError:
            self.close()
        return self._process is not None

    def _receive(self, patience_s: float) -> list[Card] | None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        end = time.monotonic() + patience_s
        line = b""
        while not line.endswith(b"\n"):
            ready = select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0]
            if not ready:
                self.close()
                return None
            more = process.stdout.read(1 << 16)
            if not more:
                return None  # the driver crashed the process
            line += more
        try:
            return [_card(**card) for card in json.loads(line)]
        except (TypeError, ValueError):
            return None

    def close(self) -> None:
        """Kill the process; one that hangs inside the driver is left behind."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in filter(None, (process.stdin, process.stdout)):
            with contextlib.suppress(OSError):
                stream.close()
        process.kill()
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.returncode = 0  # avoid a ResourceWarning when it is collected


def _card(processes: list[list[int]], **fields: Any) -> Card:
    return Card(**fields, processes=tuple((pid, used) for pid, used in processes))
