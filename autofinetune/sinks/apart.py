"""Run a sink in a process of its own, so that a slow or unusual library disturbs nothing.

The libraries of other tools take seconds to import and to write, start threads and processes,
and change environment variables and signal handlers. Their sinks therefore run in a process that
reads the journal (`log_process.py`) and knows how many of its events it has shown. The tuner only
says when there is something new, so nothing accumulates here and no slot waits. The process ends
with the tuner, whatever ends that.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from autofinetune.core.events import Event
from autofinetune.core.state import State
from autofinetune.store.paths import RunPaths
from autofinetune.version import PACKAGE_PARENT
from autofinetune.visible import visible
from autofinetune.world import NO_SPACE

from .base import Sink, SinkFailed

PATIENCE_S = 60.0
PAUSE_S = 10.0
MESSAGES = "messages.txt"  # in the folder of the sink: what the process printed
LOOK, END = b"look\n", b"end\n"
_MOST_WORDS = 500  # characters of a message
# Nothing is imported from the working directory, which may contain a wandb/ or an mlflow.py.
_START = (
    "import sys; sys.path[:] = [*filter(None, sys.path), sys.argv[1]]; "
    "from autofinetune.sinks.log_process import main; main(*sys.argv[2:])"
)


class Apart(Sink):
    """The tuner's side of the sink `kind`, which `--log_to` calls `log`.

    `patience_s` limits how long the end of a run waits without any progress; after `pause_s` a
    process that found no disk space is started again. `given` are options of this session, which
    replace those in the journal.
    """

    def __init__(
        self,
        log: str,
        kind: type[Sink],
        paths: RunPaths,
        *,
        patience_s: float = PATIENCE_S,
        pause_s: float = PAUSE_S,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self._given = given
        self._log = log
        self._kind = kind
        self._paths = paths
        self._patience_s = patience_s
        self._pause_s = pause_s
        self._told = 0  # events in the journal
        self._shown = 0  # of these, by the process
        self._process: subprocess.Popen[bytes] | None = None
        self._reports: IO[bytes] | None = None
        self._unread = b""
        self._waited_s = 0.0  # since the last report
        self._rest_until = -math.inf
        self._error: Exception | None = None  # raised by the next flush

    @property
    def name(self) -> str:
        return self._kind.__name__

    @property
    def is_behind(self) -> bool:  # type: ignore[override]
        return self._error is not None or self._shown < self._told

    def handle(self, event: Event, state: State) -> None:
        self._told += 1

    def flush(self, state: State) -> None:
        # The start takes some milliseconds, so it waits until the slots are busy.
        if state.running or state.end_reason is not None:
            self._start()
        self._say(LOOK)
        self._listen(0.0)
        error, self._error = self._error, None
        if error is None:
            return
        if isinstance(error, OSError) and state.end_reason is not None:
            # A finished run does not wait for disk space.
            raise SinkFailed(f"{error}; `autofinetune rebuild` writes it again") from error
        raise error

    def wait(self, seconds: float) -> bool:
        if not self.is_behind:
            return False
        self._start()
        self._say(LOOK)
        self._listen(seconds)
        return True

    def close(self) -> None:
        """Let the process finish, and end it with all that it started."""
        if self._process is None:
            return
        self._say(END, is_last=True)
        while self._process is not None and self._error is None:
            self._listen(1.0)
        self._end()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _start(self) -> None:
        now = time.monotonic()
        if self._process is not None or self._error is not None or now < self._rest_until:
            return
        try:
            self._process, self._reports = start(self._log, self._folder, self._paths, self._given)
        except OSError as error:
            self._fail(error)
            return
        self._shown, self._unread, self._waited_s = 0, b"", 0.0

    @property
    def _folder(self) -> Path:
        return self._paths.root / self._log

    def _say(self, word: bytes, *, is_last: bool = False) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):  # it ended, or has many such words to read already
            os.set_blocking(self._process.stdin.fileno(), is_last)
            os.write(self._process.stdin.fileno(), word)

    def _listen(self, seconds: float) -> None:
        """Read what the process reports; wait for it at most `seconds`."""
        if self._reports is None:
            return
        poll = select.poll()
        poll.register(self._reports, select.POLLIN)
        if poll.poll(seconds * 1000):
            data = os.read(self._reports.fileno(), 1 << 16)
            self._waited_s = 0.0
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))
            if not data:
                self._fail(SinkFailed("its process ended unexpectedly"))
            return
        self._waited_s += seconds
        if self._waited_s > self._patience_s:
            late = f"it made no progress for {self._patience_s:g} s"
            self._fail(SinkFailed(f"{late}; `autofinetune rebuild` writes the rest"))

    def _take(self, report: dict[str, object]) -> None:
        if "shown" in report:
            self._shown = int(str(report["shown"]))
        elif "error" in report:
            words = visible(" ".join(str(report["error"]).split()))[:_MOST_WORDS]
            number = report.get("errno")
            if number in NO_SPACE:
                self._fail(OSError(number, words))
            else:
                self._fail(SinkFailed(f"{words}; see {self._log}/{MESSAGES}"))
        elif "closed" in report:
            self._end()

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        self._end()
        self._rest_until = time.monotonic() + self._pause_s

    def _end(self) -> None:
        """Kill the process, if it still exists, and what it started."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # the group exists until `wait`
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, self._reports):
            if pipe is not None:
                pipe.close()
        self._reports = None


def start(
    log: str, folder: Path, paths: RunPaths, given: Mapping[str, Any] | None = None
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Start the process of a sink; return it with the pipe of its reports.

    It has a session of its own, so Ctrl-C does not reach it, and the descriptor of the run's
    directory, which may be moved. What it prints goes to a file in `folder`, which is created.
    """
    read, write = os.pipe()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, write)
        reports = stack.enter_context(contextlib.ExitStack())
        reports.callback(os.close, read)
        here = stack.enter_context(paths.place_of(folder).opened(create=True))
        messages = os.open(here / MESSAGES, flags, 0o666)
        stack.callback(os.close, messages)
        root = os.open(paths.place.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, root)
        words = [log, str(paths.at), str(root), str(write), json.dumps(given or {})]
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", _START, PACKAGE_PARENT, *words],  # it may be killed
            stdin=subprocess.PIPE, stdout=messages, stderr=messages,
            pass_fds=(root, write), start_new_session=True,
        )  # fmt: skip
        reports.pop_all()
    return process, os.fdopen(read, "rb", buffering=0)
