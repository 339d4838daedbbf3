"""Follows the files of one attempt while it runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autofinetune.executors.base import Key, Report
from autofinetune.executors.files.reports import MOST_REPORTS, NO_ROOM, read_reports
from autofinetune.runner.files import REPORTS, STOP
from autofinetune.store.directory import Place

_NOWHERE = Path("/proc/self/nowhere")  # a path at which nothing can be created


@dataclass
class Followed:
    """The directory of an attempt, and what was read from it so far."""

    key: Key
    place: Place
    report_offset: int = field(default=0, init=False)
    reports: int = field(default=0, init=False)  # intermediate ones so far

    @contextlib.contextmanager
    def opened(self) -> Iterator[Path]:
        """Open its directory; yield an empty one if the script removed or replaced it."""
        with contextlib.ExitStack() as stack:
            try:
                here = stack.enter_context(self.place.opened())
            except OSError as error:
                if error.errno in NO_ROOM:
                    raise
                here = _NOWHERE
            yield here

    def ask_to_stop(self) -> None:
        """Create the file that asks the script to stop.

        If it cannot be created, the script is not asked but cancelled later.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with contextlib.suppress(OSError), self.opened() as here:
            os.close(os.open(here / STOP, flags, 0o600))

    def new_reports(self, here: Path, *, to_the_end: bool) -> list[Report]:
        """Return the next chunk of reports, or all that are left."""
        before = -1
        found: list[Report] = []
        while self.report_offset != before and (to_the_end or before < 0):
            before = self.report_offset
            is_full = self.reports >= MOST_REPORTS
            more, self.report_offset = read_reports(here / REPORTS, before, only_final=is_full)
            found += self._taken(more)
        return found

    def _taken(self, reports: Sequence[Report]) -> Iterator[Report]:
        """Yield all final reports, and intermediate ones up to the limit of an attempt."""
        for report in reports:
            if report.kind == "intermediate":
                self.reports += 1
            if report.kind == "final" or self.reports <= MOST_REPORTS:
                yield report
