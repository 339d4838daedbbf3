"""Merges the output of a trial's processes into one log."""

from __future__ import annotations

import fcntl
import os

from autofinetune.runner.log import BoundedLog
from autofinetune.runner.scan import Scanner

PIPE_BYTES = 1 << 20
_MOST_WAITING = 64 << 10


class Output:
    """Copies the output of all ranks to `log`, and that of rank 0 to `scanner`.

    The output of rank 0 is kept unchanged. Lines of other ranks get a prefix such as `[rank 1] `
    and are inserted between whole lines of rank 0, unless one of those stays incomplete while the
    others print a lot.
    """

    def __init__(self, log: BoundedLog, scanner: Scanner) -> None:
        self._log = log
        self._scanner = scanner
        self._ranks: dict[int, int] = {}  # rank by reading end
        self._open_lines: dict[int, bytes] = {}  # of the ranks above 0
        self._waiting = b""  # lines of others that wait until a line of rank 0 ends
        self._is_at_start = True

    def pipe(self, rank: int) -> int:
        """Return the writing end of a new pipe for a rank; the caller closes it."""
        reader, printed = os.pipe2(os.O_CLOEXEC)
        try:
            fcntl.fcntl(printed, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:  # the user's limit for pipe memory; the default size will do
            pass
        os.set_blocking(reader, False)
        self._ranks[reader] = rank
        return printed

    @property
    def pipes(self) -> list[int]:
        """The reading ends that are still open."""
        return list(self._ranks)

    def pump(self, pipe: int) -> bool:
        """Read what was printed; return False if there is nothing now or the pipe is closed."""
        try:
            data = os.read(pipe, PIPE_BYTES)
        except BlockingIOError:
            return False
        rank = self._ranks[pipe]
        if not data:
            os.close(pipe)
            del self._ranks[pipe]
            return False
        if rank == 0:
            self._take_first(data)
            self._scanner.feed(data)
        else:
            self._take_other(rank, data)
        return True

    def drain(self) -> None:
        """Read all that was printed so far."""
        for pipe in self.pipes:
            while self.pump(pipe):
                pass

    def close(self) -> None:
        """Read what is left, and complete the log."""
        self.drain()
        for rank, line in list(self._open_lines.items()):
            if line:
                self._take_other(rank, b"\n")
        self._put_waiting()
        self._scanner.close()
        self._log.close()

    def _take_first(self, data: bytes) -> None:
        if self._waiting:
            whole = data.rfind(b"\n") + 1
            self._log.write(data[:whole])
            self._is_at_start = whole > 0
            if self._is_at_start:
                self._put_waiting()
            data = data[whole:]
        if data:
            self._log.write(data)
            self._is_at_start = data.endswith(b"\n")

    def _take_other(self, rank: int, data: bytes) -> None:
        *lines, rest = (self._open_lines.get(rank, b"") + data).split(b"\n")
        if len(rest) > _MOST_WAITING:
            lines, rest = [*lines, rest], b""
        self._open_lines[rank] = rest
        self._waiting += b"".join(b"[rank %d] %s\n" % (rank, line) for line in lines)
        if self._is_at_start or len(self._waiting) > _MOST_WAITING:
            self._put_waiting()

    def _put_waiting(self) -> None:
        if not self._waiting:
            return
        if not self._is_at_start:
            self._log.write(b"\n")
        self._log.write(self._waiting)
        self._waiting = b""
        self._is_at_start = True
