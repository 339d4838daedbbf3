"""The log of a trial: its beginning and its end are kept, however much it prints."""

from __future__ import annotations

import os

DEFAULT_BYTES = 64 << 20
_SEGMENTS = ("tail.old", "tail.new")


class BoundedLog:
    """Appends to `path` up to `head_bytes`, then keeps the last bytes aside until `close`.

    The end is kept in two files of half of `tail_bytes` each in `spill_dir`, the older of which is
    dropped when the newer one is full; `close` appends them to the log. A write that fails (no
    space left) drops its bytes, so that the trial is never held up; how many is noted at the end.
    """

    def __init__(
        self,
        path: str,
        spill_dir: str,
        head_bytes: int = DEFAULT_BYTES,
        tail_bytes: int = DEFAULT_BYTES,
    ) -> None:
        self._log = _open(path, os.O_APPEND)
        self._head_left = head_bytes
        self._segment_bytes = max(1, tail_bytes // 2)
        self._old, self._new = (os.path.join(spill_dir, name) for name in _SEGMENTS)
        self._tail: int | None = None
        self._tail_size = 0
        self.dropped = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes that the trial printed."""
        if self._head_left:
            head, data = data[: self._head_left], data[self._head_left :]
            self._head_left -= len(head)
            self._put(self._log, head)
        while data:
            data = self._write_tail(data)

    def _write_tail(self, data: bytes) -> bytes:
        if self._tail is None or self._tail_size >= self._segment_bytes:
            self._next_segment()
        part = data[: self._segment_bytes - self._tail_size]
        self._tail_size += len(part)
        assert self._tail is not None
        self._put(self._tail, part)
        return data[len(part) :]

    def _next_segment(self) -> None:
        if self._tail is not None:
            os.close(self._tail)
            if os.path.exists(self._old):
                self.dropped += os.path.getsize(self._old)
            os.replace(self._new, self._old)
        self._tail = _open(self._new, os.O_TRUNC)
        self._tail_size = 0

    def _put(self, descriptor: int, data: bytes) -> None:
        try:
            self.dropped += len(data) - os.write(descriptor, data)
        except OSError:
            self.dropped += len(data)

    def close(self) -> None:
        """Put the end behind the beginning."""
        if self._tail is not None:
            os.close(self._tail)
        if self.dropped:
            self._put(self._log, b"\n[... %d bytes left out ...]\n" % self.dropped)
        for path in (self._old, self._new):
            self._append(path)
        os.close(self._log)

    def _append(self, path: str) -> None:
        try:
            # The script may have put a link or a pipe there.
            source = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return
        try:
            while data := os.read(source, 1 << 20):
                os.write(self._log, data)
            os.unlink(path)
        except OSError:
            pass  # no space for it: the segment stays where it is
        finally:
            os.close(source)


def _open(path: str, flags: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o644)
