"""The process of a sink that runs apart: it follows the journal and shows every event.

Words arrive on standard input: `look` when the journal has grown, `end` to show the rest and
exit. If the input ends without that word, the tuner is gone, and this process ends at once with
all that it started: the resumed tuner starts another. Reports are JSON lines.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autofinetune.config.config import Config
from autofinetune.config.described import from_description
from autofinetune.core.events import Event
from autofinetune.core.state import State
from autofinetune.errors import EnvironmentProblem
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from autofinetune.world import NO_SPACE

from . import LOGS
from .base import Sink

_AT_ONCE = 1000  # events
_REPORT_S = 0.2
_FULL_BYTES = 1 << 20  # a disk with less free space is full, whatever a library says


def main(log: str, at: str, root: str, reports: str, given: str = "{}") -> None:
    """Show the run whose directory is the descriptor `root`; report to the descriptor `reports`.

    `log` is a name of `--log_to`, `at` the path of the directory as the user named it; `given` are
    options that replace those in the journal, as JSON.
    """
    os.nice(10)  # trials come first
    for descriptor in (int(root), int(reports)):
        os.set_inheritable(descriptor, False)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # the tuner decides when the run ends
    words = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)  # a library must not read them
    process = _Process(log, RunPaths(Path(at), int(root)), words, int(reports))
    process.given = json.loads(given)
    threading.Thread(target=process.listen, daemon=True, name="words").start()
    process.work()


class _Process:
    def __init__(self, log: str, paths: RunPaths, words: int, reports: int) -> None:
        self._log = log
        self._paths = paths
        self._words = words
        self._reports = reports
        self._is_due = threading.Event()
        self._is_over = False
        self._shown = 0
        self._reported_at = 0.0
        self.given: dict[str, Any] = {}

    def listen(self) -> None:
        """Take words from the tuner."""
        unread = b""
        while data := os.read(self._words, 1 << 16):
            *words, unread = (unread + data).split(b"\n")
            self._is_over |= b"end" in words
            self._is_due.set()
        if not self._is_over:
            os.killpg(os.getpgrp(), signal.SIGKILL)

    def work(self) -> None:
        """Show events until the tuner says that there are no more."""
        try:
            folder = os.open(
                self._paths.place_of(self._paths.root / self._log).held(), os.O_RDONLY
            )
            # The process of a tuner that was killed may still be about to die.
            fcntl.flock(folder, fcntl.LOCK_EX)
            self._follow()
        except Exception as error:
            traceback.print_exc()
            words = error.message if isinstance(error, EnvironmentProblem) else str(error)
            if not isinstance(error, EnvironmentProblem):
                words = f"{type(error).__name__}: {words}"
            self._report(error=words, errno=self._cause(error))
        else:
            self._report(closed=True)
        # What libraries do at exit was done by `close`, and may take any time.
        os._exit(0)

    def _follow(self) -> None:
        kind = LOGS.load(self._log)
        if kind.library is not None:
            kind.library.check(f"--log_to={self._log}")
        journal = _Journal(self._paths)
        config = journal.config(self.given)
        state, sink = State(config.direction), kind(config, self._paths)
        while True:
            is_last = self._is_over  # before the journal is read for the last time
            self._show(journal, state, sink)
            if is_last:
                break
            self._is_due.wait()
            self._is_due.clear()
        sink.close()

    def _show(self, journal: _Journal, state: State, sink: Sink) -> None:
        while events := journal.next(self._shown):
            for event in events:
                state.apply(event)
                sink.handle(event, state)
                self._shown += 1
                if time.monotonic() - self._reported_at > _REPORT_S:
                    self._report(alive=True)
            sink.flush(state)
            self._report(shown=self._shown)

    def _report(self, **report: object) -> None:
        self._reported_at = time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            os.write(self._reports, (json.dumps(report) + "\n").encode())

    def _cause(self, error: BaseException | None) -> int | None:
        """Return the error number if a full disk may be the cause."""
        while error is not None:
            if isinstance(error, OSError) and error.errno in NO_SPACE:
                return error.errno
            error = error.__cause__ or error.__context__
        found = os.statvfs(self._paths.place.root)
        return errno.ENOSPC if found.f_bavail * found.f_frsize < _FULL_BYTES else None


class _Journal:
    """The journal of a run, which the tuner restores if the file is deleted."""

    def __init__(self, paths: RunPaths) -> None:
        self._path = paths.place.root / paths.journal.name
        self._open()

    def _open(self) -> None:
        self._seen = self._path.stat()
        self._journal = SqliteJournal(self._path, read_only=True)

    def config(self, given: Mapping[str, Any]) -> Config:
        first = self._journal.created()
        assert first is not None
        return from_description({**first.config, **given})

    def next(self, after: int) -> list[Event]:
        """Return the next events that follow the first `after`."""
        with contextlib.suppress(FileNotFoundError):  # not restored yet
            if not os.path.samestat(self._path.stat(), self._seen):
                self._journal.close()
                self._open()
        return list(self._journal.part(after, _AT_ONCE))
