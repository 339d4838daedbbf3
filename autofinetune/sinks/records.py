"""Read VisualDL logs that may come from an untrusted source."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Any

MOST_BYTES = 64 << 20  # of one log
MOST_RECORD = 16 << 20
_HEAD = 8  # bytes: the length of the record that follows
_FIRST = b"\n"  # first byte of every VisualDL record: the number and type of its only field


def is_log(path: Path) -> bool:
    """Return whether a path is a regular file of at most `MOST_BYTES`."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= MOST_BYTES


class Records:
    """The complete records of one log; replaces VisualDL's reader."""

    def __init__(self, filepath: str) -> None:
        self._path = filepath
        self._at = 0
        self._record = b""

    def get_next(self) -> None:
        """Go to the next record; raise EOFError without a complete one from VisualDL."""
        head = self._read(_HEAD, self._at)
        length = int.from_bytes(head, "little")
        if not 0 < length <= MOST_RECORD:
            raise EOFError
        record = self._read(length, self._at + _HEAD)
        if not record.startswith(_FIRST):
            raise EOFError
        self._record = record
        self._at += _HEAD + length

    def record(self) -> bytes:
        return self._record

    def _read(self, count: int, at: int) -> bytes:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(self._path, flags), "rb") as file:
                is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
                data = os.pread(file.fileno(), count, at) if is_file else b""
        except OSError:
            raise EOFError from None
        if len(data) < count:
            raise EOFError
        return data


def add_what_is_whole(self: Any) -> None:
    """Replace `add_remain` of a LogReader; records that cannot be parsed are skipped."""
    for reader in self.readers.values():
        self.reader = reader
        for item in reader.get_remain():
            with contextlib.suppress(Exception):
                component, _, tag, record = self.parse_from_bin(item)
                self.data_manager.add_item(component, reader.dir, tag, record)
