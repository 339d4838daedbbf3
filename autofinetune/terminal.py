"""Output to a terminal that may be closed, full, or unable to show a character.

A run must neither stop nor change its exit code because its output cannot be written: Ctrl-C also
ends a `tee` in the pipeline, and windows get closed. So nothing here raises. The result of a
command (`convert`, `status`) is printed with `print`, because losing it is an error.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Protocol, TextIO

from autofinetune.visible import visible_lines


class Owner(Protocol):
    """What draws on the terminal; text that is written past it would spoil the picture."""

    def post(self, line: str) -> None:
        """Show a line soon; safe to call from a signal handler."""

    def close(self, patience_s: float | None = None) -> bool:
        """Give the terminal back; return whether that was possible in this time."""


owner: Owner | None = None


def prepare() -> None:
    """Make the standard streams safe to write to.

    A stream that was closed, as by `>&-`, is connected to the null device; otherwise the next file
    opened would get its number, and output would end up in that file. Characters outside the
    encoding of a stream are escaped.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if not _is_open(number):
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def out(line: str) -> None:
    """Write a line to standard output."""
    write(sys.stdout, f"{line}\n")


def tell(sentence: str) -> None:
    """Write a message to standard output, with its control characters made visible."""
    out(visible_lines(sentence))


def err(line: str) -> None:
    """Write a line to standard error."""
    write(sys.stderr, f"{line}\n")


def err_in_handler(line: str) -> None:
    """Write a line to standard error from a signal handler.

    The handler may interrupt another write, so this bypasses Python's buffers.
    """
    if owner is not None:
        owner.post(line)
        return
    with contextlib.suppress(OSError):
        os.write(2, f"\n{line}\n".encode(errors="backslashreplace"))


def err_at_exit(line: str) -> None:
    """Write the last line of a process to standard error, from any thread."""
    if owner is None or owner.close(0.5):
        err_in_handler(line)


def write(stream: TextIO, text: str) -> None:
    """Write `text` and flush; characters outside the encoding of the stream are escaped."""
    encoding = stream.encoding or "utf-8"  # a StringIO has None
    with contextlib.suppress(OSError, ValueError):
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


def let_go() -> None:
    """Discard unwritable output, which would otherwise change the exit code at shutdown."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)
