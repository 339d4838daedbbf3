"""A server of forks for tests, and one attempt from its start to its end."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from autofinetune.core.slot import Slot
from autofinetune.executors import Attempt, Imports, JobState, LocalSlot, Observation, Report
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.executors.local.forks import ForkServer, common_environment
from autofinetune.runner.files import STARTED
from autofinetune.runner.processes import identity

DEADLINE_S = 60.0
SCRIPT = "train.py"


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again; a bounded wait for another process, without a fixed sleep."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        os.sched_yield()


@contextlib.contextmanager
def server(
    root: Path,
    steps: Sequence[str] = ("json",),
    *,
    environ: Mapping[str, str] | None = None,
    slots: Sequence[LocalSlot] = (),
    script: str = SCRIPT,
    notices: list[str] | None = None,
) -> Iterator[ForkServer]:
    """A server for the script in `root` that has said whether it can serve."""
    told = [] if notices is None else notices
    common = common_environment(
        dict(os.environ if environ is None else environ), [slot.env for slot in slots]
    )
    imports = Imports(sys.executable, script, str(root), tuple(steps))
    with contextlib.closing(ForkServer(imports, common, told.append)) as forks:
        wait_until(lambda: forks.is_ready() or bool(told))
        yield forks


@contextlib.contextmanager
def ready_server(root: Path, *steps: str, slots: Sequence[LocalSlot] = ()) -> Iterator[ForkServer]:
    """A server that can serve, and that has not given up in the end."""
    notices: list[str] = []
    with server(root, steps or ("json",), slots=slots, notices=notices) as forks:
        yield forks
        assert forks.is_ready(), notices


def attempt_of(root: Path, *words: str, name: str = "attempt", **fields: object) -> Attempt:
    """An attempt of the script in `root`, in the directory `root/name`; the log is `.log`."""
    known: dict[str, object] = {
        "run": f"test-{os.getpid()}-{root.name}",
        "trial": 0,
        "attempt": 1,
        "slot": Slot("a"),
        "argv": (sys.executable, SCRIPT, *words),
        "env": {"AUTOFINETUNE_TRIAL": "0"},
        "working_dir": str(root),
        "directory": str(root / name),
        "log": str(root / f"{name}.log"),
        "grace_s": 5.0,
    }
    return Attempt(**(known | fields))  # type: ignore[arg-type]


def leave_dead_runner(attempt: Attempt) -> None:
    """Create the directory of a runner that was killed before a reboot."""
    directory = Path(attempt.directory)
    directory.mkdir()
    (directory / STARTED).write_text(json.dumps(identity(os.getpid()) | {"boot_id": "earlier"}))


def until_over(executor: LocalExecutor) -> Observation:
    """Return the last observation of the only attempt, with the reports of all of them."""
    end = time.monotonic() + DEADLINE_S
    reports: list[Report] = []
    while time.monotonic() < end:
        for news in executor.poll(1.0):
            reports += news.reports
            if news.state in (JobState.EXITED, JobState.LOST):
                return dataclasses.replace(news, reports=tuple(reports))
    raise AssertionError("it does not end")


def run(attempt: Attempt, forks: ForkServer | None = None) -> Observation:
    """How the attempt ends."""
    with contextlib.closing(
        LocalExecutor([LocalSlot(Slot("a"))], dict(os.environ), forks=forks)
    ) as executor:
        executor.submit(attempt)
        return until_over(executor)
