"""What the processes of a trial print becomes one log."""

from __future__ import annotations

import fcntl
import os

from autofinetune.runner.log import BoundedLog
from autofinetune.runner.scan import Scanner

PIPE_BYTES = 1 << 20
_MOST_WAITING = 64 << 10


class Output:
    """Reads the pipes of all ranks into `log`, and shows `scanner` what rank 0 prints.

    What rank 0 prints is kept as it is. The lines of the others begin with `[rank 1] ` and stand
    between whole lines of rank 0, unless it leaves one open while they have much to say.
    """

    def __init__(self, log: BoundedLog, scanner: Scanner) -> None:
        self._log = log
        self._scanner = scanner
        self._ranks: dict[int, int] = {}  # rank by reading end
        self._open_lines: dict[int, bytes] = {}  # of the ranks above 0
        self._waiting = b""  # lines of others that wait for the end of one of rank 0
        self._is_at_start = True

    def pipe(self, rank: int) -> int:
        """A new end to print into, which the caller closes."""
        reader, printed = os.pipe2(os.O_CLOEXEC)
        try:
            fcntl.fcntl(printed, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:  # a user's limit of pipe memory; the default will do
            pass
        os.set_blocking(reader, False)
        self._ranks[reader] = rank
        return printed

    @property
    def pipes(self) -> list[int]:
        """The reading ends that are still open."""
        return list(self._ranks)

    def pump(self, pipe: int) -> bool:
        """Take what was printed; false when there is nothing more for now or for ever."""
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
        """Take all that was printed so far."""
        for pipe in self.pipes:
            while self.pump(pipe):
                pass

    def close(self) -> None:
        """Take what is left; the log is complete then."""
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
