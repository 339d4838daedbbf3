"""Output directories at the command line: whether one holds a run, and who is at work there."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from autofinetune.cli.presence import note_tuner, noted_tuner
from autofinetune.cli.words import shown
from autofinetune.config import Config, planned_trials
from autofinetune.errors import DirectoryBusy, EnvironmentProblem, UsageError
from autofinetune.events import RunCreated
from autofinetune.journal import SqliteJournal
from autofinetune.paths import RunPaths
from autofinetune.runner.files import try_lock
from autofinetune.state import State

_LOCK_TRIES = 10


def refuse_used_directory(paths: RunPaths) -> None:
    """Raise UsageError where a new run cannot begin."""
    root = paths.root
    if root.exists() and not root.is_dir():
        raise UsageError(f"--output_dir {root} is a file; name a directory")
    directory = shown(paths)
    if holds_run(paths):
        state = State()
        journal = SqliteJournal(paths.journal, read_only=True)
        with contextlib.closing(journal):
            state.apply_all(journal.events())
        raise UsageError(
            f"{directory} already holds a run ({state.ended} of "
            f"{planned_trials(state.config)} trials done)",
            f"continue it with: autofinetune resume {directory}      "
            "or choose another --output_dir",
        )
    ours = [paths.log_file, paths.best_model, paths.visualization, paths.round_dir(0),
            paths.trials_csv, paths.config, paths.trials]  # fmt: skip
    there = [path.name for path in ours if os.path.lexists(path) and not _is_empty(path)]
    if there:
        raise UsageError(
            f"{directory} holds files of another run: {', '.join(there)}",
            "choose another --output_dir, or move them away",
        )


def _is_empty(path: Path) -> bool:
    """A directory without content: what a run that never began leaves."""
    return path.is_dir() and not any(path.iterdir())


def holds_run(paths: RunPaths) -> bool:
    """Whether a journal with at least one event is there."""
    if not paths.journal.is_file() or paths.journal.stat().st_size == 0:
        return False
    journal = SqliteJournal(paths.journal)
    with contextlib.closing(journal):
        return next(iter(journal.events()), None) is not None


def recorded_config(paths: RunPaths) -> Config:
    """With which the run there began."""
    journal = SqliteJournal(paths.journal)
    with contextlib.closing(journal):
        first = next(iter(journal.events()))
    assert isinstance(first, RunCreated)
    return Config.from_description(first.config)


@contextlib.contextmanager
def locked(paths: RunPaths) -> Iterator[None]:
    """One tuner a directory; the kernel drops the lock with the process that holds it."""
    try:
        paths.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        paths.trials.mkdir(exist_ok=True, mode=0o700)
        lock = _lock(paths)
    except OSError as error:
        raise EnvironmentProblem(
            f"{paths.root} cannot be used: {error.strerror or error}",
            "choose another --output_dir, on a disk that can be written and has locks",
        ) from None
    if lock is None:
        raise DirectoryBusy(
            f"another tuner is at work in {paths.root}: {noted_tuner(paths.lock)}",
            "wait for it, stop it with Ctrl-C, or choose another --output_dir",
        )
    try:
        note_tuner(lock)
        yield
    finally:
        os.close(lock)


def _lock(paths: RunPaths) -> int | None:
    """The lock; it is tried again, because `status` holds it for a moment to see if it is free."""
    for _ in range(_LOCK_TRIES):
        lock = try_lock(str(paths.lock))
        if lock is not None:
            return lock
        time.sleep(0.01)
    return None
