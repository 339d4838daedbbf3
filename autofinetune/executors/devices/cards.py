"""The NVIDIA cards of this machine, as a process that may hang in our place tells them."""

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

START_PATIENCE_S = 30.0  # a driver that nobody keeps loaded wakes up card by card
PATIENCE_S = 5.0
_ASK = (
    *(sys.executable, "-S", "-I", "-c"),
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from autofinetune.executors.devices.nvml import serve; serve()",
)


@dataclass(frozen=True)
class Card:
    """One NVIDIA card (or MIG instance) as NVML shows it; memory in bytes, 0 where not told.

    `processes` holds (pid, bytes) of whoever uses it, as far as NVML tells: in a container it
    tells of nobody, or numbers that mean nothing there.
    """

    index: int
    uuid: str
    name: str
    used_bytes: int = 0
    total_bytes: int = 0
    processes: tuple[tuple[int, int], ...] = ()


class CardProbe:
    """Asks for the cards; a driver that does not answer in time is not asked again.

    Use it as a context: it holds a process while it is open and there is a driver.

    Args:
        gpu: the slots that the user asked for; nobody is asked for those of the processor.
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
                start_new_session=True,  # Ctrl-C is for us alone
            )
            self._send()  # it starts while we go on

    def __enter__(self) -> CardProbe:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def first_cards(self) -> list[Card] | None:
        """All cards, or None without a working driver; to be called once, before `look`.

        Raises:
            EnvironmentProblem: there is a driver, and it hangs.
        """
        if self._process is None:
            return None
        answer = self._receive(START_PATIENCE_S)
        if self._process is None:
            raise EnvironmentProblem(
                f"the NVIDIA driver has not answered for {START_PATIENCE_S:g} s",
                "see whether nvidia-smi answers; a reboot helps, or --gpu=cpu does without cards",
            )
        if answer is None:
            self.close()
        return answer

    def look(self) -> dict[str, Card]:
        """The cards as they are now, by UUID; empty where that cannot be told."""
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
                return None  # it died: the driver took it along
            line += more
        try:
            return [_card(**card) for card in json.loads(line)]
        except (TypeError, ValueError):
            return None

    def close(self) -> None:
        """End the process; one that hangs inside the driver is left behind."""
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
            process.returncode = 0  # no warning at collection


def _card(processes: list[list[int]], **fields: Any) -> Card:
    return Card(**fields, processes=tuple((pid, used) for pid, used in processes))
