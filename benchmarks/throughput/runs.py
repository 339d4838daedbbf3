"""Runs of the command itself, and what its journal says of them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autofinetune.core.events import AttemptPlanned, TrialCreated, TrialEnded
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths

HPARAM = """
param_list:
  - {name: x, type: float, init_value: 0.5, greater_than: 0, lower_than: 1}
"""


@dataclass(frozen=True)
class Ran:
    """One trial; times are seconds since 1970, `seconds` those in which its process lived."""

    trial: int
    round: int
    slot: str
    planned_at: float
    ended_at: float
    seconds: float


def tune(
    root: Path, script: str, text: str, *words: str, look: Callable[[int], None] | None = None
) -> list[Ran]:
    """Write the script, tune it in `root`, and tell its trials in the order of their start.

    Args:
        look: called with the pid of the tuner every tenth of a second.
    """
    (root / script).write_text(text)
    (root / script).chmod(0o755)
    (root / "hparam.yaml").write_text(HPARAM)
    command = [
        sys.executable, "-m", "autofinetune", script, "--param_file=hparam.yaml",
        "--skip-preflight", "--evaluator=fulltrail", "--output_dir=result", "--seed=0", *words,
    ]  # fmt: skip
    with (root / "console").open("wb") as console:
        process = subprocess.Popen(command, cwd=root, stdout=console, stderr=console)
    code: int | None = None
    while code is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(0.1)
        if look is not None:
            with contextlib.suppress(OSError, KeyError, IndexError):  # it has just ended
                look(process.pid)
    if code:
        raise RuntimeError(f"exit code {code}: {(root / 'console').read_text()[-2000:]}")
    return sorted(_read(root / "result"), key=lambda ran: ran.planned_at)


def _read(output_dir: Path) -> Iterator[Ran]:
    rounds: dict[int, int] = {}
    planned: dict[int, tuple[float, str]] = {}
    with contextlib.closing(
        SqliteJournal(RunPaths(output_dir).journal, read_only=True)
    ) as journal:
        for event in journal.events():
            if isinstance(event, TrialCreated):
                rounds[event.trial] = event.round
            elif isinstance(event, AttemptPlanned):
                planned[event.trial] = event.at, event.slot
            elif isinstance(event, TrialEnded):
                at, slot = planned[event.trial]
                yield Ran(event.trial, rounds[event.trial], slot, at, event.at, event.seconds)


def machine() -> str:
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before"
