"""Read the log of a trial, which a script can write to and replace, while it may be growing."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator

from autofinetune.core import fields
from autofinetune.core.state import Trial
from autofinetune.core.status import Status
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.run.directories import is_tuner_alive
from autofinetune.run.recorded import Recorded
from autofinetune.runner.files import LOCK
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible_lines

_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 16  # bytes; a longer one is shown in parts
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Colors and movements of the cursor, and titles of windows.
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


class LogReader:
    """Reads lines of a trial's log from byte `start` up to `end`, by default all there is.

    The log is not there before the first attempt. Raise EnvironmentProblem if something else than
    a regular file is in its place; links on the path are not followed.
    """

    def __init__(self, paths: RunPaths, trial: Trial, start: int = 0, end: int | None = None):
        self._paths = paths
        self._log = paths.trial_log(trial.round, trial.member)
        self._end = end
        self._rest = b""
        self._at = 0
        self._file = self._open()
        if self._file is not None and os.fstat(self._file).st_size >= start:
            self._at = start  # otherwise the script has replaced the file

    def _open(self) -> int | None:
        """Return a descriptor of the log, or None if there is none."""
        try:
            with self._paths.place_of(self._log.parent).opened() as here:
                found = os.open(here / self._log.name, _OPEN)
        except FileNotFoundError:
            return None
        except OSError as error:
            is_link = error.errno in (errno.ELOOP, errno.ENOTDIR)
            why = "it or a directory on its path is a link" if is_link else error.strerror
            raise self._problem(str(why)) from None
        if stat.S_ISREG(os.fstat(found).st_mode):
            return found
        os.close(found)
        raise self._problem("it is not a regular file")

    def _problem(self, why: str) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"the log {self._log} cannot be read: {why}", "the script put it there; look at it"
        )

    @property
    def may_grow(self) -> bool:
        """Whether lines may still be added: not to the part of an earlier attempt."""
        return self._end is None

    @property
    def is_there(self) -> bool:
        return self._file is not None

    def lines(self) -> Iterator[str]:
        """Yield the complete lines that were added since the last call, safe to print."""
        while data := self._read():
            *complete, self._rest = (self._rest + data).split(b"\n")
            yield from map(shown_line, complete)
            if len(self._rest) > _LONGEST_LINE:
                yield from self.last()

    def last(self) -> Iterator[str]:
        """Yield the last line if no line break ends it."""
        if self._rest:
            yield shown_line(self._rest)
        self._rest = b""

    def _read(self) -> bytes:
        if self._file is None:
            return b""
        count = _CHUNK if self._end is None else max(0, min(_CHUNK, self._end - self._at))
        data = os.pread(self._file, count, self._at)
        self._at += len(data)
        return data

    def is_stale(self) -> bool:
        """Return whether the log appeared, was replaced or was cut since it was opened."""
        if self._file is None:
            return True
        mine = os.fstat(self._file)
        with contextlib.suppress(OSError):
            with self._paths.place_of(self._log.parent).opened() as here:
                theirs = (here / self._log.name).lstat()
            return not os.path.samestat(mine, theirs) or theirs.st_size < self._at
        return True

    def open_again(self) -> None:
        """Open the log that is there now, to read it from its beginning."""
        self.close()
        self._file, self._at = self._open(), 0

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def shown_line(data: bytes) -> str:
    """Return a line of a log as safe text: of a progress bar, its last state; without colors."""
    line = data.decode("utf-8", errors="replace").rstrip("\r").rpartition("\r")[2]
    return visible_lines(_SEQUENCE.sub("", line))


def log_of(run: Recorded, trial: Trial, attempt: int | None = None) -> LogReader:
    """Open the log of a trial, or of one of its attempts.

    Raise UsageError if there is no such attempt, EnvironmentProblem as LogReader does.
    """
    attempts = run.history.attempts[trial.id]
    if attempt is None:
        return LogReader(run.paths, trial)
    if not 1 <= attempt <= len(attempts):
        count = len(attempts)
        raise UsageError(
            f"trial {trial.id} has no attempt {attempt}",
            f"give a number from 1 to {count}" if count else "it has not started yet",
        )
    end = attempts[attempt].log_start if attempt < len(attempts) else None
    return LogReader(run.paths, trial, attempts[attempt - 1].log_start, end)


def follow(
    reader: LogReader, is_over: Callable[[], bool], wait: Callable[[], None]
) -> Iterator[str]:
    """Yield lines as they are added until `is_over`; `wait` is called between looks."""
    while True:
        is_last = is_over()  # before reading, so that nothing after it is missed
        yield from reader.lines()
        if is_last:
            break
        if reader.is_stale():
            yield from (*reader.lines(), *reader.last())
            reader.open_again()
        wait()
    yield from reader.last()


class TrialWatch:
    """Tells when a trial has ended, or when nothing is left that could continue it."""

    def __init__(self, run: Recorded, trial: Trial) -> None:
        self._paths = run.paths
        self._trial = trial.id
        self._attempt = trial.attempt
        self._is_over = trial.status.is_final
        self._is_elsewhere = bool(run.host)
        self._seen = 0
        self._journal = run.journal

    def is_over(self) -> bool:
        if not self._is_over:
            is_alone = not self._is_elsewhere and not self._has_process()
            self._look()
            self._is_over |= is_alone
        return self._is_over

    def _look(self) -> None:
        with self._journal.snapshot() as ask:
            rows = ask(
                "SELECT kind, json_extract(body, '$.attempt') FROM events WHERE seq > ?"
                " AND kind IN ('AttemptPlanned', 'TrialEnded')"
                " AND json_extract(body, '$.trial') = ? ORDER BY seq",
                self._seen,
                self._trial,
            )
            ((self._seen,),) = ask("SELECT max(seq) FROM events")
        for kind, attempt in rows:
            self._attempt = fields.small(attempt)
            self._is_over |= kind == "TrialEnded"

    def _has_process(self) -> bool:
        """Return whether a tuner or the trial itself is alive; each holds a lock."""
        if is_tuner_alive(self._paths.lock):
            return True
        place = self._paths.place_of(self._paths.attempt_dir(self._trial, self._attempt))
        try:
            with place.opened() as here:
                return is_tuner_alive(here / LOCK)
        except OSError:
            return False


def no_log(run: Recorded, trial: Trial) -> UsageError | EnvironmentProblem:
    """Return the error for a trial without a log."""
    if not run.history.attempts[trial.id]:
        is_waiting = trial.status is Status.QUEUED
        tip = "use -f to wait for it" if is_waiting and run.is_tuner_alive else "it never ran"
        return UsageError(f"trial {trial.id} has not started, so it has no log", tip)
    log = run.paths.trial_log(trial.round, trial.member)
    return EnvironmentProblem(f"the log {log} was removed", "the other trials may have theirs")
