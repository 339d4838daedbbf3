"""Finds scores in the output of a trial, by the pattern that the run gives.

They are written to the file of reports, in the format that scripts use.
"""

from __future__ import annotations

import os

MOST_LINE = 64 << 10  # bytes; the rest of a longer line is ignored
PADDLEHUB = b"AutoFinetuneEval\t"  # PaddleHub 1.2 and its beta of 1.3; the last field is the score
_ANSI = rb"\x1b\[[0-?]*[ -/]*[@-~]"


class Scanner:
    """Scans the output of rank 0 line by line; `\\r` also ends a line.

    Args:
        path: the file of reports.
        pattern: a regular expression with one group for an intermediate value; empty for none.
        has_marks: whether to look for PaddleHub's lines with a final result.
    """

    def __init__(self, path: str, pattern: str = "", *, has_marks: bool = False) -> None:
        self._path = path
        self._has_marks = has_marks
        self._pattern = None
        self._colours = None
        if pattern:
            import re  # only if needed: the start of a runner delays its trial

            self._pattern = re.compile(pattern)
            self._colours = re.compile(_ANSI)
        self._line = b""  # the beginning of an incomplete line
        self._step = 0
        self._waiting = b""  # reports not yet written, for lack of disk space

    def feed(self, data: bytes) -> None:
        """Scan the next bytes."""
        if self._pattern is None and not self._has_marks:
            return
        data = self._line + data
        if self._pattern is None and PADDLEHUB not in data:  # fast path, nearly always taken
            self._line = data[data.rfind(b"\n") + 1 :][:MOST_LINE]
            return
        *whole, rest = data.replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            self._look(line)
        self._line = rest[:MOST_LINE]
        self.write()

    def close(self) -> None:
        """Scan the last line, even if it is incomplete."""
        if self._line:
            self._look(self._line)
            self._line = b""

    def _look(self, line: bytes) -> None:
        line = line[:MOST_LINE]
        if self._has_marks and line.lstrip().startswith(PADDLEHUB):
            self._report("final", line.rpartition(b"\t")[2].decode("utf-8", "replace"))
        if self._pattern is not None and self._colours is not None:
            text = self._colours.sub(b"", line).decode("utf-8", "replace")
            found = self._pattern.search(text)
            if found is not None and self._report("intermediate", found[1] or "", self._step):
                self._step += 1

    def _report(self, kind: str, text: str, step: int | None = None) -> bool:
        try:
            score = float(text)
        except ValueError:
            return False
        from autofinetune.trial.report import as_line  # only if needed, like `re`

        self._waiting += as_line(kind, score, step)
        return True

    def write(self) -> bool:
        """Write the reports; return False if the disk is full, so that the caller retries."""
        if not self._waiting:
            return True
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                is_whole = os.write(descriptor, self._waiting) == len(self._waiting)
            finally:
                os.close(descriptor)
        except OSError as error:
            # Other errors are permanent: the script put something else in place of the file.
            is_whole = error.errno not in (28, 122)  # ENOSPC, EDQUOT
        # Reports that were cut short are written again; the reader skips the incomplete piece.
        self._waiting = b"" if is_whole else self._waiting
        return is_whole
