"""Measures what the live view costs while trials run: CPU time of its process, by getrusage.

    .venv/bin/python -m benchmarks.view_cost --slots=16 --seconds=30

Each slot has a process tree of two that sleep. `--reports` intermediate scores a second come from
each of them; with 0 nothing happens, as in a run of long trials. The terminal is a pty, which
another process reads.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

from autofinetune.core.events import (
    AttemptPlanned,
    AttemptSubmitted,
    Reported,
    TrialCreated,
)
from autofinetune.core.slot import Slot
from autofinetune.runner.processes import MARK_VARIABLE
from autofinetune.sinks.live.display import Display
from autofinetune.sinks.live.progress import Progress

_WARM_UP_S = 3.0  # the imports and the first frames


@contextlib.contextmanager
def trees(count: int) -> Iterator[list[int]]:
    """Yield the pids of processes that look like trials of a run without a name."""
    started = [
        subprocess.Popen(
            ["sh", "-c", "sleep 1000 & wait"],
            env={**os.environ, MARK_VARIABLE: f"/{trial}/1"},
            start_new_session=True,
        )
        for trial in range(count)
    ]
    try:
        yield [one.pid for one in started]
    finally:
        for one in started:
            os.killpg(one.pid, 9)
            one.wait()


def follow(slots: int, seconds: float, reports: float) -> float:
    """Show a run for some seconds; return the share of a core that this took, in percent."""
    display, progress = Display(sys.stdout), Progress()
    with trees(slots) as pids:
        for trial, pid in enumerate(pids):
            now = time.time()
            params: dict[str, float | int | str | bool | None] = {
                "learning_rate": 0.1 / (trial + 1),
                "units": trial,
                "optimizer": "adam",
            }
            progress.handle(TrialCreated(now, trial, 0, trial, (0.5,) * 3, params, None))
            progress.handle(AttemptPlanned(now, trial, 1, Slot(str(trial))))
            progress.handle(AttemptSubmitted(now, trial, 1, {"pid": pid}))
        display.show(progress.snapshot())
        display.start()
        time.sleep(_WARM_UP_S)
        before, end, step = used(), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            time.sleep(1 / reports if reports else seconds)
            if reports:
                step += 1
                for trial in range(slots):
                    event = Reported(time.time(), trial, 1, step, step / (step + 9), 0)
                    progress.handle(event)
                    display.show(progress.snapshot())
        cost = used() - before
        display.close()
    return 100 * cost / seconds


def used() -> float:
    """Return the CPU seconds of this process."""
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--reports", type=float, default=0.0, help="per trial and second")
    options = parser.parse_args()
    reader, writer = os.pipe()
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm-256color"
        percent = follow(options.slots, options.seconds, options.reports)
        os.write(writer, f"{percent:.2f}".encode())
        os._exit(0)
    os.close(writer)
    frames = 0
    with contextlib.suppress(OSError):  # the terminal is closed at the end
        while data := os.read(terminal, 1 << 16):
            frames += data.count(b"\x1b[J")
    os.waitpid(child, 0)
    print(f"{options.slots} slots, {options.reports:g} reports a second and trial, "
          f"{options.seconds:g} s: {os.read(reader, 100).decode()} % of a core, "
          f"{frames / (options.seconds + _WARM_UP_S):.1f} frames a second, "
          f"{len(psutil.pids())} processes on the machine")  # fmt: skip


if __name__ == "__main__":
    main()
