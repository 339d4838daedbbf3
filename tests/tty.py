"""A terminal for tests: a pty, and what somebody would see on it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import struct
import termios
import threading
import time
from types import TracebackType

from rich.cells import cell_len

DEADLINE_S = 60.0
_CODE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


class Picture:
    """The screen and the lines that scrolled away; it knows no code but those of the live view."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.lines = [""]
        self._row = 0  # of `lines`
        self._column = 0
        self._codes = ""

    def feed(self, text: str) -> None:
        text = self._codes + text
        self._codes = ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = _CODE.match(text, at)
                if found is None:
                    assert len(text) - at < 20, repr(text[at : at + 20])
                    self._codes = text[at:]  # its end has not arrived yet
                    return
                self._obey(found[1], found[2])
                at = found.end()
                continue
            self._put(text[at])
            at += 1

    def _obey(self, number: str, letter: str) -> None:
        if letter == "A":
            top = max(0, len(self.lines) - self.rows)
            self._row = max(top, self._row - int(number or 1))
        elif letter == "J" and number in ("", "0"):
            self.lines[self._row :] = [self.lines[self._row][: self._column]]
        elif letter == "K" and number == "2":
            self.lines[self._row] = ""
        else:
            assert letter == "m", f"unknown code {number}{letter}"

    def _put(self, sign: str) -> None:
        if sign == "\r":
            self._column = 0
            return
        if sign == "\n":
            self._down()
            return
        width = cell_len(sign)
        if self._column + width > self.columns:
            self._column = 0
            self._down()
        line = self.lines[self._row].ljust(self._column)
        self.lines[self._row] = line[: self._column] + sign + line[self._column + 1 :]
        self._column += width

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip()


class Tty:
    """A pty of this size whose output is read by a thread, unless it is `stuck`."""

    def __init__(self, columns: int = 80, rows: int = 24, encoding: str = "utf-8") -> None:
        self.leader, self.follower = os.openpty()
        self.picture = Picture(columns, rows)
        self.resize(columns, rows)
        self.stream = io.TextIOWrapper(
            os.fdopen(os.dup(self.follower), "wb"), encoding=encoding, write_through=True
        )
        self.raw = b""
        self._news = threading.Condition()
        self._reader: threading.Thread | None = None

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def __enter__(self) -> Tty:
        self.read()
        return self

    def read(self) -> None:
        """Begin to read what is written, as a terminal that is not stopped does."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.leader, 1 << 16)
            except OSError:
                return
            with self._news:
                self.raw += data
                with contextlib.suppress(UnicodeDecodeError):
                    self.picture.feed(data.decode())
                self._news.notify_all()
            if not data:
                return

    def wait_for(self, *words: str) -> str:
        """Return what is to be seen as soon as all these words are."""
        end = time.monotonic() + DEADLINE_S
        with self._news:
            while not all(word in str(self.picture) for word in words):
                assert time.monotonic() < end, f"no {words} in:\n{self.picture}"
                self._news.wait(1.0)
            return str(self.picture)

    def press(self, keys: str) -> None:
        os.write(self.leader, keys.encode())

    def close(self) -> None:
        """Close it; what was written before is still read."""
        with contextlib.suppress(OSError):
            self.stream.close()
        with contextlib.suppress(OSError):
            os.close(self.follower)
        if self._reader is not None:
            self._reader.join(DEADLINE_S)
        with contextlib.suppress(OSError):
            os.close(self.leader)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
