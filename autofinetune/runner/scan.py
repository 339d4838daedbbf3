"""Finds scores in what a trial prints, where the run says how they look.

Values become lines in the file of reports, like those that a script writes itself.
"""

from __future__ import annotations

import os

MOST_LINE = 64 << 10  # bytes; the rest of a longer line is not looked at
PADDLEHUB = b"AutoFinetuneEval\t"  # PaddleHub 1.2 and its beta of 1.3; the last field is the score
_ANSI = rb"\x1b\[[0-?]*[ -/]*[@-~]"


class Scanner:
    """Looks at the output of rank 0 line by line; `\\r` ends a line, too.

    Args:
        path: of the file of reports.
        pattern: a regular expression with one group for an intermediate value; empty for none.
        has_marks: whether lines of PaddleHub with a final result are looked for.
    """

    def __init__(self, path: str, pattern: str = "", *, has_marks: bool = False) -> None:
        self._path = path
        self._has_marks = has_marks
        self._pattern = None
        self._colours = None
        if pattern:
            import re  # only for those who need it: the start of a runner delays its trial

            self._pattern = re.compile(pattern)
            self._colours = re.compile(_ANSI)
        self._line = b""  # the beginning of one whose end is still to come
        self._step = 0
        self._waiting = b""  # reports that the disk had no room for

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._pattern is None and not self._has_marks:
            return
        data = self._line + data
        if self._pattern is None and PADDLEHUB not in data:  # nearly always: be quick
            self._line = data[data.rfind(b"\n") + 1 :][:MOST_LINE]
            return
        *whole, rest = data.replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            self._look(line)
        self._line = rest[:MOST_LINE]
        self.write()

    def close(self) -> None:
        """Take what was printed as the last line, whether it has an end or not."""
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
        from autofinetune.trial.report import as_line  # late, like the patterns

        self._waiting += as_line(kind, score, step)
        return True

    def write(self) -> bool:
        """Write the reports; false where the disk has no room, so that it is tried again."""
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
            # What the script put in the place of the file takes no reports, now or later.
            is_whole = error.errno not in (28, 122)  # ENOSPC, EDQUOT
        # Reports that were cut short are written again; their reader passes over the piece.
        self._waiting = b"" if is_whole else self._waiting
        return is_whole
