"""What other processes see of this one: its command line and its environment.

The kernel reads both from the memory in which they were when the program started. By overwriting
that memory, a fork appears as another program in `ps`, and can be found by its mark.
"""

from __future__ import annotations

import ctypes
import os

_ARG_START, _ARG_END, _ENV_START, _ENV_END = range(45, 49)  # in /proc/self/stat, after the name


class Shown:
    """The two areas of our own memory; create it once, before anything is written there.

    The environment may be overwritten from the variable `first` to the end. Raise OSError if the
    areas cannot be found.
    """

    def __init__(self, first: str) -> None:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[_ENV_START]), int(fields[_ENV_END])
        self._words = (int(fields[_ARG_START]), int(fields[_ARG_END]))
        begin = (b"\0" + ctypes.string_at(start, end - start)).find(b"\0%s=" % first.encode())
        if not 0 < start < end or begin < 0:
            raise OSError("the environment of this process cannot be found in its memory")
        self._variables = (start + begin, end)

    def command(self, text: str) -> None:
        """Show `text`, cut to the available length, as the command line."""
        start, end = self._words
        words = os.fsencode(text)[: end - start - 2]
        # A last byte other than zero tells the kernel that this is one text, not a list of words.
        ctypes.memmove(start, words.ljust(end - start - 1, b"\0") + b" ", end - start)

    def environment(self, variables: dict[str, str]) -> None:
        """Show these variables after the permanent ones; those that do not fit are left out."""
        start, end = self._variables
        shown = b""
        for name, value in variables.items():
            entry = os.fsencode(f"{name}={value}") + b"\0"
            if len(shown) + len(entry) <= end - start:
                shown += entry
        ctypes.memmove(start, shown.ljust(end - start, b"\0"), end - start)
