"""Keep a copy of the run in a store of files, by a thread that no slot waits for."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable

from autofinetune.config.config import Config
from autofinetune.core.events import Event, RunCreated, RunEnded, RunResumed
from autofinetune.core.state import State
from autofinetune.errors import AutofinetuneError
from autofinetune.executors.local.hook import run_hook
from autofinetune.store.contents import FILES, TREES
from autofinetune.store.credentials import read_secrets
from autofinetune.store.paths import RunPaths
from autofinetune.store.remote import Remote, StoreFailed
from autofinetune.store.standing import Standing, some, write_standing
from autofinetune.version import PACKAGE_PARENT

from .base import Sink, SinkFailed
from .uploads import JOURNAL, Stopped, Uploads

PATIENCE_S = 60.0  # without any part that arrives, at the end of a run
CLOSE_S = 5.0  # for what is left when the user stops the run
PAUSE_S = 5.0  # between two looks at the files while trials run
REST = 19  # times as long as it took: before the next look, and the next report
LONGEST_PAUSE_S = 60.0
LONGEST_AT_END_S = 5.0  # after a try that failed
FIRST_REPORT_S = 60.0  # a short run makes one, at its end
_REPORT_S = 300.0
# Nothing is imported from the directory of the run.
_REPORT = (
    "import os, sys; os.nice(10); sys.path[:] = [*filter(None, sys.path), sys.argv[1]]; "
    "from autofinetune.cli import main; sys.exit(main(['report', sys.argv[2]]))"
)


def make_report(paths: RunPaths) -> None:
    """Write report.html in a process of its own, if Plotly is there."""
    if importlib.util.find_spec("plotly") is not None:
        words = [sys.executable, "-c", _REPORT, PACKAGE_PARENT, str(paths.root)]
        run_hook(words, b"", working_dir="/", timeout_s=_REPORT_S)


def rebuild(paths: RunPaths, url: str) -> str:
    """Return the command that brings the rest into a store."""
    return f"autofinetune rebuild {paths.shown} --store={shlex.quote(url)}"


Look = tuple[tuple[str, int, int, int], ...]


class Store(Sink):
    """Uploads what has changed, and tries again as long as the run goes on.

    At the end it waits until everything is there, at most `--store_wait` seconds, and at most
    `patience_s` in which nothing arrives; then `warn` is told what is not. `connect` returns the
    store, `report` writes report.html.
    """

    def __init__(
        self,
        config: Config,
        paths: RunPaths,
        warn: Callable[[str], None],
        *,
        connect: Callable[[], Remote] | None = None,
        report: Callable[[RunPaths], None] = make_report,
        patience_s: float = PATIENCE_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._url = config.store
        self._at = paths
        self._warn = warn
        self._connect = connect or (lambda: Remote(self._url, read_secrets(config.secrets)))
        self._report = report
        self._patience_s = patience_s
        self._most_s = config.store_wait
        self._pause_s = pause_s
        self._runs: list[str] = []  # the names that this run had, the last one now
        # Of the thread, from here on.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wanted = self._done = 0  # looks at the files
        self._seen: Look = ()
        self._has_stopped = False
        self._hurries_since = math.inf
        self._arrived_at = self._rests_until = -math.inf
        self._report_after = time.monotonic() + FIRST_REPORT_S
        self._is_closing = False
        self._error: Exception | None = None  # after which nothing is tried again
        self._problem = ""
        self._stored_at = 0.0
        self._reported: Look = ()

    @property
    def name(self) -> str:
        return "the store"

    @property
    def is_behind(self) -> bool:  # type: ignore[override]
        return self._error is not None or not (self._done >= self._wanted or self._is_late())

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, RunCreated):
            self._runs = [event.run]
        elif isinstance(event, RunResumed) and event.run:
            self._runs.append(event.run)
        elif isinstance(event, RunEnded):
            self._hurry()  # before the last look at the files, so that the report is made after it

    def flush(self, state: State) -> None:
        self._raise_error()
        if self._thread is None:
            self._start()
        seen = self._look()
        with self._changed:
            if seen != self._seen:
                self._seen = seen
                self._wanted += 1
                self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        if not self.is_behind or self._error is not None:
            return False
        self._hurry()
        with self._changed:
            self._changed.wait_for(lambda: not self.is_behind, seconds)
        return True

    def close(self) -> None:
        """Give what is left a moment, unless the store fails anyway, and say what is not there."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._hurry()
        with self._changed:
            self._changed.wait_for(
                lambda: self._done >= self._wanted or self._problem or self._has_stopped, CLOSE_S
            )
            self._is_closing = True
            self._changed.notify_all()
        # A store that does not answer would hold up the end of the process.
        thread.join(CLOSE_S / 5)
        standing = self._tell_standing()
        if standing.waiting and not self._has_stopped:
            why = f" ({standing.problem})" if standing.problem else ""
            self._warn(
                f"not in the store {self._url}: {some(standing.waiting)}{why}; "
                f"to put the rest there: {rebuild(self._at, self._url)}"
            )
        if not thread.is_alive():
            assert self._paths.descriptor is not None
            os.close(self._paths.descriptor)
        self._raise_error()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise SinkFailed(f"{self._url}: {error}") from error

    def _look(self) -> Look:
        """Return what changes when a file of the run does; looking costs next to nothing."""
        found = []
        for name in (*FILES, *TREES, f"{JOURNAL}-wal"):
            with contextlib.suppress(OSError):
                one = (self._paths.place.root / name).lstat()
                found.append((name, one.st_mtime_ns, one.st_size, one.st_ino))
        return tuple(found)

    def _hurry(self) -> None:
        """From now on the end waits: look without pauses, and try again at once."""
        with self._changed:
            if self._hurries_since == math.inf:
                self._hurries_since = time.monotonic()
                self._rests_until = -math.inf
                self._changed.notify_all()

    def _is_late(self) -> bool:
        now = time.monotonic()
        last = max(self._hurries_since, self._arrived_at)
        waited = now - self._hurries_since  # negative before the end
        return waited > self._most_s or (waited > 0 and now - last > self._patience_s)

    # --- on the thread --------------------------------------------------------------------------

    def _start(self) -> None:
        # A descriptor of its own: the run may close its directory before the store answers.
        root = os.open(self._at.place.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._paths = RunPaths(self._at.at, root)
        self._uploads = Uploads(
            self._paths.place.root,
            self._connect,
            lambda run: run in self._runs,
            lambda: self._runs[-1],
            lambda: not self._is_closing,
            self._arrived,
        )
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        failures = 0
        while (wanted := self._next()) is not None:
            began = time.monotonic()
            try:
                self._uploads.bring_up()
                if self._made_report():
                    self._uploads.bring_up()
            except Stopped:
                return
            except (StoreFailed, AutofinetuneError, OSError) as error:
                self._failed(str(error), failures)
                failures += 1
            except Exception as error:  # another run, or a bug: nothing is tried again
                with self._changed:
                    self._error, self._has_stopped = error, True
                    self._changed.notify_all()
                return
            else:
                failures = 0
                self._succeeded(wanted, time.monotonic() - began)

    def _next(self) -> int | None:
        """Wait until there is something to do; return the number of the look, None at the end."""
        with self._changed:
            while not self._is_closing:
                rest = self._rests_until - time.monotonic()
                if self._wanted > self._done and rest <= 0:
                    return self._wanted
                self._changed.wait(rest if self._wanted > self._done else None)
        return None

    def _made_report(self) -> bool:
        """Write the report again if the journal has grown, but not each time."""
        journal = tuple(one for one in self._look() if one[0].startswith(JOURNAL))
        began = time.monotonic()
        is_due = began >= self._report_after or self._hurries_since < math.inf
        if not is_due or journal == self._reported or self._is_closing:
            return False
        self._report(self._paths)
        self._reported = journal
        now = time.monotonic()
        self._report_after = now + REST * (now - began)
        return True

    def _arrived(self) -> None:
        self._arrived_at = time.monotonic()
        self._stored_at = time.time()

    def _failed(self, why: str, failures: int) -> None:
        is_new = not self._problem
        with self._changed:
            self._problem = why
            most = LONGEST_PAUSE_S if self._hurries_since == math.inf else LONGEST_AT_END_S
            self._rests_until = time.monotonic() + min(2.0**failures, most)
            self._changed.notify_all()
        self._tell_standing()
        if is_new:
            self._warn(f"{self.name} {self._url} fails ({why}); it is tried again while the run "
                       "goes on")  # fmt: skip

    def _succeeded(self, wanted: int, took: float) -> None:
        with self._changed:
            self._problem = ""
            self._done = wanted
            if self._hurries_since == math.inf:
                rest = min(max(self._pause_s, REST * took), LONGEST_PAUSE_S)
                self._rests_until = time.monotonic() + rest
            self._changed.notify_all()
        self._tell_standing()

    def _tell_standing(self) -> Standing:
        contents = self._uploads.contents
        standing = Standing(
            self._url,
            time.time(),
            len(contents.files),
            contents.size,
            tuple(self._uploads.waiting()),
            self._problem,
            self._stored_at,
        )
        with contextlib.suppress(OSError):  # a full disk: only `status` needs it
            write_standing(self._paths, standing)
        return standing
