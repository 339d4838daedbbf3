"""The log of a trial: its beginning and end are kept, however much it prints."""

from __future__ import annotations

import os

DEFAULT_BYTES = 64 << 20
_SEGMENTS = ("tail.old", "tail.new")


class BoundedLog:
    """Appends to `path` up to `head_bytes`, then keeps the last bytes elsewhere until `close`.

    The end is kept in two files in `spill_dir`, each half of `tail_bytes`. When the newer one is
    full, the older one is dropped; `close` appends both to the log. Nothing here raises, so that
    the trial is never held up: what cannot be written is dropped and counted, and `error` is the
    first reason for that.
    """

    def __init__(
        self,
        path: str,
        spill_dir: str,
        head_bytes: int = DEFAULT_BYTES,
        tail_bytes: int = DEFAULT_BYTES,
    ) -> None:
        self.dropped = 0
        self.error = ""
        self._log = self._open(path, os.O_APPEND)
        self._head_left = head_bytes
        self._segment_bytes = max(1, tail_bytes // 2)
        self._old, self._new = (os.path.join(spill_dir, name) for name in _SEGMENTS)
        self._tail: int | None = None
        self._tail_size = 0

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
        self._put(self._tail, part)
        return data[len(part) :]

    def _next_segment(self) -> None:
        if self._tail is not None:
            os.close(self._tail)
            try:
                old = os.path.getsize(self._old) if os.path.exists(self._old) else 0
                os.replace(self._new, self._old)
                self.dropped += old
            except OSError as error:  # the script may have changed the files: lose the newer one
                self.dropped += self._tail_size
                self._note(error)
        self._tail = self._open(self._new, os.O_TRUNC)
        self._tail_size = 0

    def _open(self, path: str, flags: int) -> int | None:
        # The script may have put a link or a pipe there.
        flags |= os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            return os.open(path, flags, 0o644)
        except OSError as error:
            self._note(error)
            return None

    def _put(self, descriptor: int | None, data: bytes) -> None:
        self.dropped += len(data)
        try:
            if descriptor is not None:
                self.dropped -= os.write(descriptor, data)
        except OSError as error:
            self._note(error)

    def _note(self, error: OSError) -> None:
        self.error = self.error or str(error)

    def close(self) -> None:
        """Append the end to the beginning."""
        if self._tail is not None:
            os.close(self._tail)
        if self._log is None:
            return
        if self.dropped:
            self._put(self._log, b"\n[... %d bytes left out ...]\n" % self.dropped)
        for path in (self._old, self._new):
            self._append(self._log, path)
        os.close(self._log)

    def _append(self, log: int, path: str) -> None:
        try:
            source = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return
        try:
            while data := os.read(source, 1 << 20):
                os.write(log, data)
            os.unlink(path)
        except OSError:
            pass  # no space: the segment stays where it is
        finally:
            os.close(source)
