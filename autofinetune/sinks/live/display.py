"""Draws snapshots of a run on a terminal, on a thread of its own.

Whoever shows a snapshot or prints a line never waits for the terminal, which may be stopped by
Ctrl-S or belong to a connection that hangs.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias, cast

from autofinetune import terminal
from autofinetune.sinks.live.figures import Signs
from autofinetune.sinks.live.screen import Screen
from autofinetune.sinks.live.snapshot import Snapshot

if TYPE_CHECKING:
    from autofinetune.sinks.live.usage import Usage, Use

Paint: TypeAlias = "Callable[..., Sequence[tuple[str, int]]]"
_LEAST_S = 0.25  # between two frames
_REST_S = 1.0  # between two frames while nothing happens
_USAGE_S = 3.0  # between two looks at the processes of the trials
_MOST_SHARE = 300  # the pause after a look is at least so many times its length
_MOST_LINES = 100_000  # that wait for a terminal; then the oldest are dropped


class Display:
    """Owns the terminal `stream` from `start` to `close`.

    Meanwhile `sys.stdout` and `sys.stderr` write above the frame, if they are this terminal. If
    drawing fails, one line says so and lines are written directly.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.descriptor = stream.fileno()
        self.encoding = stream.encoding or "utf-8"
        self._screen = Screen(self.descriptor, self.encoding)
        self._signs = signs_of(stream)
        self._above = Above(self)
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)
        self._snapshot = Snapshot()
        self._has_news = False
        self._over = threading.Event()
        self._is_continued = False
        self._thread: threading.Thread | None = None
        self._undo = contextlib.ExitStack()
        self._is_direct = True  # lines are written to the stream at once

    def start(self) -> None:
        """Begin to draw; raise RuntimeError if the machine has no room for a thread."""
        self._stream.flush()
        thread = threading.Thread(target=self._work, name="live view", daemon=True)
        self._is_direct = False
        try:
            thread.start()
        except RuntimeError:
            self._is_direct = True
            raise
        self._thread = thread
        self._undo.callback(self._let_go_of_output, sys.stdout, sys.stderr)
        for name in ("stdout", "stderr"):
            if _is_same(getattr(sys, name), self._stream):
                setattr(sys, name, self._above)
        if sys.stderr is self._above:
            terminal.owner = self
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGCONT, self._continued)
            self._undo.callback(_restore, before)

    @property
    def above(self) -> TextIO:
        """A stream whose lines appear above the frame."""
        return cast(TextIO, self._above)

    def show(self, snapshot: Snapshot) -> None:
        """Show this snapshot from now on."""
        self._snapshot = snapshot
        self._has_news = True

    def post(self, line: str) -> None:
        """Write a line above the frame soon; safe to call from a signal handler."""
        self._lines.append(line)

    def close(self, patience_s: float | None = None) -> bool:
        """Remove the frame, write all lines, and give the terminal back.

        This waits for the terminal, at most `patience_s` seconds if that is given; return whether
        that was enough.
        """
        self._over.set()
        if self._thread is not None:
            self._thread.join(patience_s)
            if self._thread.is_alive():
                return False
        self._undo.close()
        self._is_direct = True
        self._write_directly()
        return True

    # --- the lines above ------------------------------------------------------------------------

    def write_line(self, line: str) -> None:
        self._lines.append(line)
        if self._is_direct:
            self._write_directly()

    def _write_directly(self) -> None:
        while True:
            try:
                line = self._lines.popleft()
            except IndexError:
                return
            terminal.write(self._stream, f"{line}\n")

    def _let_go_of_output(self, out: Any, err: Any) -> None:
        self._above.end_line()
        if sys.stdout is self._above:
            sys.stdout = out
        if sys.stderr is self._above:
            sys.stderr = err
        if terminal.owner is self:
            terminal.owner = None

    def _continued(self, signum: int, frame: object) -> None:
        self._is_continued = self._has_news = True

    # --- the thread -----------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            # Here, so that the first trials do not wait for rich and psutil.
            from autofinetune.sinks.live.paint import painted_view
            from autofinetune.sinks.live.usage import Usage

            with contextlib.closing(Usage()) as usage:
                self._draw_until_over(painted_view, usage)
        except Exception as error:  # the terminal is gone, or there is a bug
            with contextlib.suppress(OSError):
                self._screen.draw([], [])
            self.post(
                f"WARNING: the live view stopped ({type(error).__name__}: {error}); "
                "the run continues with plain lines"
            )
            self._is_direct = True
            self._write_directly()

    def _draw_until_over(self, paint: Paint, usage: Usage) -> None:
        drawn_at = looked_at = -_REST_S - _USAGE_S
        uses: Mapping[int, Use] = {}
        looked: set[tuple[int, int]] = set()
        cost = 0.0
        while not self._over.is_set():
            now = time.monotonic()
            rows = {(row.trial, row.attempt) for row in self._snapshot.rows}
            patience = max(_USAGE_S if rows == looked else _REST_S, _MOST_SHARE * cost)
            if now - looked_at >= patience and self._screen.is_ours:
                looked_at, looked, began = now, rows, time.thread_time()
                uses = usage.look(self._snapshot.run, self._snapshot.rows)
                cost = time.thread_time() - began
            if self._has_news or self._lines or now - drawn_at >= _REST_S:
                self._has_news = False
                drawn_at = now
                self._draw(paint, uses)
            self._over.wait(_LEAST_S)
        self._screen.draw(self._taken(), [])

    def _draw(self, paint: Paint, uses: Mapping[int, Use]) -> None:
        if self._is_continued:
            self._is_continued = False
            self._screen.forget()
        if not self._screen.is_ours:
            self._screen.forget()
            if self._lines:
                self._screen.draw(self._taken(), [])
            return
        size = self._screen.size()
        frame = paint(
            self._snapshot, uses, time.time(), size.columns - 1, size.rows - 1, self._signs
        )
        self._screen.draw(self._taken(), frame)

    def _taken(self) -> list[str]:
        return [self._lines.popleft() for _ in range(len(self._lines))]


class Above(io.TextIOBase):
    """A stream whose lines appear above the frame of a display."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._display.write_line(line)
        return len(text)

    def end_line(self) -> None:
        """End a line that was begun."""
        if self._rest:
            self.write("\n")

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._display.encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._display.descriptor


def _restore(before: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCONT, before)


def signs_of(stream: TextIO) -> Signs:
    """Return the signs that a stream can show."""
    try:
        "▁█━…".encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return Signs(is_plain=True)
    return Signs()


def _is_same(stream: Any, other: TextIO) -> bool:
    """Return whether two streams are the same terminal."""
    try:
        return bool(
            os.isatty(stream.fileno())
            and os.path.samestat(os.fstat(stream.fileno()), os.fstat(other.fileno()))
        )
    except (AttributeError, OSError, ValueError):
        return False
