"""The lower part of a terminal: a frame that is drawn again and again, below lines that scroll.

Nothing here changes the modes of the terminal or hides its cursor, so there is nothing to restore
however the process ends.
"""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from typing import NamedTuple


class Size(NamedTuple):
    columns: int
    rows: int


class Screen:
    """Writes to the terminal that is open as `descriptor`; a write may block.

    A frame has fewer rows than the terminal, and its lines are shorter than a row. Each method
    raises OSError if the terminal is gone.
    """

    def __init__(self, descriptor: int, encoding: str) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._widths: list[int] = []  # of the lines of the frame on the screen

    def size(self) -> Size:
        found = os.get_terminal_size(self._descriptor)
        return Size(found.columns or 80, found.lines or 24)

    @property
    def is_ours(self) -> bool:
        """Whether we are in the foreground; else a shell or another program uses the screen."""
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:  # not the terminal that controls us, so nothing else does here
            return True

    def draw(self, above: Sequence[str], frame: Sequence[tuple[str, int]]) -> None:
        """Write lines above the frame, and the new frame, of lines and their columns."""
        parts = [self._to_the_top()]
        if above or not frame:
            parts.append("\x1b[J")
        parts += [f"{line}\r\n" for line in above]
        parts.append("\r\n".join(f"\x1b[2K{line}" for line, _ in frame))
        if frame:
            parts.append("\x1b[J")
        self._widths = [width for _, width in frame]
        self._write("".join(parts))

    def forget(self) -> None:
        """Leave the frame on the screen as it is; the next one is drawn below it."""
        self._widths = []

    def _to_the_top(self) -> str:
        if not self._widths:
            return "\r"
        # A terminal that became narrower has wrapped the lines.
        columns = self.size().columns
        rows = sum(max(1, -(-width // columns)) for width in self._widths)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "")

    def _write(self, text: str) -> None:
        data = text.encode(self._encoding, "backslashreplace")
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # another program made it non-blocking
                select.select([], [self._descriptor], [])
