"""Lines for the person at the terminal, which may be gone, full, or unable to show a character.

A run must neither stop nor change its exit code because nobody can read what it says: Ctrl-C ends
the `tee` behind it too, and a window gets closed. So nothing here raises. What a command prints as
its result (`convert`, `status`) goes through `print`, because losing that is an error.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO


def prepare() -> None:
    """Make the standard streams fit for whatever is written to them.

    One that was closed, as by `>&-`, leads to nothing; else the next file that is opened would get
    its number, and what somebody prints would end in it. What the encoding of one cannot show is
    escaped.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if not _is_open(number):
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number
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


def err(line: str) -> None:
    """Write a line to standard error."""
    write(sys.stderr, f"{line}\n")


def err_in_handler(line: str) -> None:
    """Write a line to standard error from a signal handler.

    The handler may run in the middle of another write, so the buffers of Python are left alone.
    """
    with contextlib.suppress(OSError):
        os.write(2, f"\n{line}\n".encode(errors="backslashreplace"))


def write(stream: TextIO, text: str) -> None:
    """Write `text` and flush; what the encoding of the stream cannot show is escaped."""
    encoding = stream.encoding or "utf-8"  # that of a StringIO is None
    with contextlib.suppress(OSError, ValueError):
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


def columns(stream: TextIO) -> int:
    """Return how many columns a terminal has, or a guess if it is gone."""
    with contextlib.suppress(OSError):
        return os.get_terminal_size(stream.fileno()).columns or 80
    return 80


def let_go() -> None:
    """Drop what the outputs did not take, which would change the exit code at shutdown."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)
