"""Output directories: check whether one holds a run, read it, and lock it for one tuner."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from autofinetune.assessors import ASSESSORS, AUTO, NO_ASSESSOR
from autofinetune.config.config import Config, engine_of
from autofinetune.config.described import (
    DESCRIBED_IN,
    JOURNAL_TIP,
    described_values,
    from_description,
    planned,
)
from autofinetune.core.state import State
from autofinetune.errors import ConfigError, DirectoryBusy, EnvironmentProblem, Mistake, UsageError
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import EXECUTORS
from autofinetune.runner.files import try_lock
from autofinetune.runner.processes import boot_id
from autofinetune.sinks import LOGS
from autofinetune.store.directory import read_file
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths, opened_run
from autofinetune.strategies import SCHEDULES
from autofinetune.visible import visible

# The names that options choose from; `auto` and `none` are no assessors.
KNOWN: Mapping[str, Collection[str]] = {
    "evaluator": EVALUATORS,
    "schedule": SCHEDULES,
    "executor": EXECUTORS,
    "assessor": ASSESSORS,
    "log_to": LOGS,
}
_LOCK_TRIES = 10
_MOST_NOTE_BYTES = 4096
_NOTE = re.compile(r"pid \d+ on (\S+) since \S+\nboot (\S+)\n")


def refuse_used_directory(paths: RunPaths) -> None:
    """Raise UsageError if a new run cannot use the directory."""
    root = paths.root
    if root.exists() and not root.is_dir():
        raise UsageError(Mistake("output_dir", f"{root} is a file; name a directory"))
    directory = paths.shown
    if holds_run(paths):
        state = read_run(paths)
        whole = planned(described_values(state.config))
        raise UsageError(
            f"{directory} already holds a run ({state.ended} of {whole} trials done)",
            f"continue it with: autofinetune resume {directory}      "
            "or choose another --output_dir",
        )
    ours = [paths.log_file, paths.best_model, paths.visualization, paths.round_dir(0),
            paths.trials_csv, paths.config, paths.trials, paths.function]  # fmt: skip
    there = [path.name for path in ours if os.path.lexists(path) and not _is_empty(path)]
    if there:
        raise UsageError(
            f"{directory} holds files of another run: {', '.join(there)}",
            "choose another --output_dir, or move them away",
        )


def _is_empty(path: Path) -> bool:
    """Return whether a path is an empty directory, as a run that never started leaves it."""
    return path.is_dir() and not any(path.iterdir())


def holds_run(paths: RunPaths, *, read_only: bool = False) -> bool:
    """Return whether the directory has a journal with at least one event."""
    if not os.path.lexists(paths.journal) or paths.journal.lstat().st_size == 0:
        return False
    with contextlib.closing(SqliteJournal(paths.journal, read_only=read_only)) as journal:
        return journal.created() is not None


@contextlib.contextmanager
def existing_run(directory: str | os.PathLike[str]) -> Iterator[RunPaths]:
    """Open the directory of a run for reading; it may still be running.

    Raise UsageError if it holds no run, EnvironmentProblem if the journal cannot be read or other
    users can change the directory.
    """
    with opened_run(Path(directory)) as paths:
        if not holds_run(paths, read_only=True):
            raise UsageError(
                f"{directory} holds no run (there is no {paths.journal.name} with events)",
                "give the output directory of a run",
            )
        yield paths


def known_config(paths: RunPaths) -> Config:
    """Return the recorded config; raise EnvironmentProblem if a run cannot continue with it."""
    with contextlib.closing(SqliteJournal(paths.journal, read_only=True)) as journal:
        recorded = journal.config()
    with of_the_journal(paths):
        config = from_description(recorded)
        for what, known in KNOWN.items():
            for found in config.log_to if what == "log_to" else (config.option(what),):
                name = engine_of(found) if what == "executor" else found
                beside = (AUTO, NO_ASSESSOR) if what == "assessor" else ()
                if name not in known and name not in beside:
                    mistake = f"{what}: {found!r:.60} is unknown; use one of: {', '.join(known)}"
                    raise ConfigError(DESCRIBED_IN, [mistake])
    return config


def read_run(paths: RunPaths) -> State:
    """Return the state of a run, or raise EnvironmentProblem if its journal cannot be read."""
    with contextlib.closing(SqliteJournal(paths.journal, read_only=True)) as journal:
        first = journal.created()
        assert first is not None
        with of_the_journal(paths):
            state = State(from_description(first.config).direction)
        state.apply_all(journal.events())
    return state


@contextlib.contextmanager
def of_the_journal(paths: RunPaths) -> Iterator[None]:
    """Report an invalid configuration as damage to the journal, not as a mistake of the user."""
    try:
        yield
    except ConfigError as error:
        raise EnvironmentProblem(f"{paths.journal}: {error.message}", JOURNAL_TIP) from None


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[RunPaths]:
    """Lock a directory for one tuner and yield its files.

    The kernel releases the lock when the process ends. Raise DirectoryBusy if another tuner is
    using the directory, EnvironmentProblem if it cannot be used or other users can change it.
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
                "choose another --output_dir, on a writable disk that supports file locks",
            ) from None
        if lock is None:
            raise DirectoryBusy(
                f"another tuner is using {directory}: {holder}",
                "wait for it, stop it with Ctrl-C or `autofinetune stop`, or choose another "
                "--output_dir",
            )
        stack.callback(os.close, lock)
        note_tuner(lock)
        yield paths


@contextlib.contextmanager
def locked_run(output_dir: str | os.PathLike[str]) -> Iterator[RunPaths]:
    """Lock the directory of a run; one that holds no run is left as it is."""
    directory = Path(output_dir).absolute()
    with opened_run(directory) as paths:
        if not holds_run(paths):
            raise UsageError(
                f"{output_dir} holds no run (there is no {paths.journal.name} with events)",
                "give the output directory of a run, or start one: autofinetune train.py "
                "--param_file=hparam.yaml --gpu=0,1 --output_dir=result",
            )
    with locked(directory) as paths:
        yield paths


def _take_lock(paths: RunPaths) -> tuple[int | None, str]:
    """Return the lock of the directory, or None and a description of its holder."""
    with paths.place.opened() as here:
        path = here / paths.lock.name
        for _ in range(_LOCK_TRIES):  # `status` holds the lock briefly to test it
            lock = try_lock(str(path))
            if lock is not None:
                return lock, ""
            time.sleep(0.01)
        return None, noted_tuner(path)


# --- whose lock it is ---------------------------------------------------------------------------


def note_tuner(lock: int) -> None:
    """Record the owner of the lock in its open file."""
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    who = f"pid {os.getpid()} on {os.uname().nodename} since {since}"
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{who}\nboot {boot_id()}\n".encode(), 0)


def noted_tuner(lock: Path) -> str:
    """Return a readable description of the lock holder."""
    lines = _note_in(lock).splitlines()
    return visible(lines[0]) if lines else "unknown process"


def is_tuner_alive(lock: Path) -> bool:
    """Return whether a tuner holds this lock file.

    The check briefly takes a shared lock. /proc/locks is not enough: it lists only the locks of
    visible processes, and on some file systems its device numbers differ from those of `stat`.
    """
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return False


def host_out_of_sight(lock: Path) -> str:
    """Return the host name of the last tuner if it is another machine, else an empty string.

    Its lock may be invisible here, because not every network file system forwards locks.
    """
    found = _NOTE.fullmatch(_note_in(lock))
    if found is None or found[2] == boot_id() or found[1] == os.uname().nodename:
        return ""
    return found[1]


def _note_in(lock: Path) -> str:
    try:
        return read_file(lock, _MOST_NOTE_BYTES).decode(errors="replace")
    except OSError:
        return ""
