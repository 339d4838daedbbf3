"""Find the exception in the log of a failed trial, and the user's line that led to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autofinetune.version import PACKAGE_PARENT

# Launchers put the rank before each line, such as `[rank0]: `.
_TRACEBACK = re.compile(r"(.*?)Traceback \(most recent call last\):\s*\Z")
_FRAME = re.compile(r' +File "([^"]+)", line ([0-9]+)(?:, in (.+))?\Z')
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(: .*|:)?\Z")
# Without a traceback, as for a syntax error in the script itself.
_ERROR = re.compile(r"([A-Za-z_][\w.]*\.)?[A-Za-z_]\w*(Error|Exception|Interrupt|Exit)(: .*)?\Z")
_LIBRARY = re.compile(r"/(site|dist)-packages/|/lib/python[0-9.]+/|\A<")


@dataclass(frozen=True)
class Crash:
    """The last exception of a log.

    Attributes:
        exception: its line, such as `ValueError: lr must be positive`, without a prefix.
        line: the number of that line in the log.
        place: the last frame in a file of the user, such as `train.py:12 in main`, or "".
        frame: the number of the line with that frame, None without one.
    """

    exception: str
    line: int
    place: str = ""
    frame: int | None = None


def crash_in(lines: Sequence[str]) -> Crash | None:
    """Return the last Python exception in a log, or None if there is none."""
    for start in range(len(lines) - 1, -1, -1):
        head = _TRACEBACK.match(lines[start])
        if head is not None:
            found = _after(lines, start + 1, head[1])
            if found is not None:
                return found
    for number in range(len(lines) - 1, -1, -1):
        if _ERROR.match(lines[number]):
            place, frame = _last_frame(lines[:number], max(0, number - 4), "")
            return Crash(lines[number], number, place, frame)
    return None


def _after(lines: Sequence[str], start: int, prefix: str) -> Crash | None:
    """Return the exception of the traceback whose frames begin at `start`."""
    for number in range(start, len(lines)):
        if not lines[number].startswith(prefix):
            continue  # another process wrote in between
        line = lines[number][len(prefix) :]
        if not line.startswith(" "):
            if not _EXCEPTION.match(line):
                return None
            place, frame = _last_frame(lines[:number], start, prefix)
            return Crash(line, number, place, frame)
    return None


def _last_frame(lines: Sequence[str], start: int, prefix: str) -> tuple[str, int | None]:
    for number in range(len(lines) - 1, start - 1, -1):
        found = _FRAME.match(lines[number].removeprefix(prefix))
        if found is not None and _is_users(found[1]):
            inside = f" in {found[3]}" if found[3] and found[3] != "<module>" else ""
            return f"{found[1]}:{found[2]}{inside}", number
    return "", None


def _is_users(path: str) -> bool:
    own = f"{PACKAGE_PARENT}/autofinetune/"
    return _LIBRARY.search(path) is None and not path.startswith(own)
