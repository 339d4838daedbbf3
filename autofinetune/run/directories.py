"""Output directories at the command line: whether one holds a run, and who is at work there."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from autofinetune.assessors import ASSESSORS, NO_ASSESSOR
from autofinetune.config.build import DESCRIBED_IN, JOURNAL_TIP, from_description
from autofinetune.config.config import Config
from autofinetune.core.state import State
from autofinetune.errors import ConfigError, DirectoryBusy, EnvironmentProblem, Mistake, UsageError
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import EXECUTORS
from autofinetune.run.presence import note_tuner, noted_tuner
from autofinetune.runner.files import try_lock
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths, opened_run
from autofinetune.strategies import SCHEDULES

_LOCK_TRIES = 10


def refuse_used_directory(paths: RunPaths) -> None:
    """Raise UsageError where a new run cannot begin."""
    root = paths.root
    if root.exists() and not root.is_dir():
        raise UsageError(Mistake("output_dir", f"{root} is a file; name a directory"))
    directory = paths.shown
    if holds_run(paths):
        state = read_run(paths)
        raise UsageError(
            f"{directory} already holds a run ({state.ended} of "
            f"{recorded_config(paths).planned} trials done)",
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


def holds_run(paths: RunPaths, *, read_only: bool = False) -> bool:
    """Whether a journal with at least one event is there."""
    if not os.path.lexists(paths.journal) or paths.journal.lstat().st_size == 0:
        return False
    with contextlib.closing(SqliteJournal(paths.journal, read_only=read_only)) as journal:
        return journal.created() is not None


def recorded_config(paths: RunPaths) -> Config:
    """With which the run there began.

    Raises:
        EnvironmentProblem: the journal cannot be read.
        ConfigError: what it says of the configuration is none.
    """
    with contextlib.closing(SqliteJournal(paths.journal, read_only=True)) as journal:
        first = journal.created()
    assert first is not None
    with of_the_journal(paths):
        return from_description(first.config)


def known_config(paths: RunPaths) -> Config:
    """Return the recorded config for continuing the run.

    Raises:
        EnvironmentProblem: the journal cannot be read, or names parts that there are not.
    """
    config = recorded_config(paths)
    with of_the_journal(paths):
        for what, found, known in (
            ("evaluator", config.evaluator, EVALUATORS),
            ("schedule", config.schedule, SCHEDULES),
            ("executor", config.executor, EXECUTORS),
            ("assessor", config.assessor, ASSESSORS),
        ):
            if found not in known and (what, found) != ("assessor", NO_ASSESSOR):
                mistake = f"{what}: {found!r:.60} is unknown; use one of: {', '.join(known)}"
                raise ConfigError(DESCRIBED_IN, [mistake])
    return config


def read_run(paths: RunPaths) -> State:
    """What happened so far in the run that lies there; it may still be going on.

    Raises:
        EnvironmentProblem: its journal cannot be read.
    """
    with contextlib.closing(SqliteJournal(paths.journal, read_only=True)) as journal:
        first = journal.created()
        assert first is not None
        with of_the_journal(paths):
            state = State(from_description(first.config).direction)
        state.apply_all(journal.events())
    return state


@contextlib.contextmanager
def of_the_journal(paths: RunPaths) -> Iterator[None]:
    """A mistake in a configuration is none of the user's, but damage to the journal."""
    try:
        yield
    except ConfigError as error:
        raise EnvironmentProblem(f"{paths.journal}: {error.message}", JOURNAL_TIP) from None


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[RunPaths]:
    """Its files, for one tuner; the kernel drops the lock with the process that holds it.

    Raises:
        DirectoryBusy: another tuner is at work there.
        EnvironmentProblem: it cannot be used, or other users can change what lies there.
    """
    with contextlib.ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            paths = stack.enter_context(opened_run(directory))
            with paths.place_of(paths.trials).opened(create=True, mode=0o700):
                lock, holder = _take_lock(paths)
        except OSError as error:
            raise EnvironmentProblem(
                f"{directory} cannot be used: {error.strerror or error}",
                "choose another --output_dir, on a disk that can be written and has locks",
            ) from None
        if lock is None:
            raise DirectoryBusy(
                f"another tuner is at work in {directory}: {holder}",
                "wait for it, stop it with Ctrl-C, or choose another --output_dir",
            )
        stack.callback(os.close, lock)
        note_tuner(lock)
        yield paths


def _take_lock(paths: RunPaths) -> tuple[int | None, str]:
    """The lock of the directory, or None and who holds it."""
    with paths.place.opened() as here:
        lock = _lock(here / paths.lock.name)
        return lock, "" if lock is not None else noted_tuner(here / paths.lock.name)


def _lock(path: Path) -> int | None:
    """The lock; it is tried again, because `status` holds it for a moment to see if it is free."""
    for _ in range(_LOCK_TRIES):
        lock = try_lock(str(path))
        if lock is not None:
            return lock
        time.sleep(0.01)
    return None
