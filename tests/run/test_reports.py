"""Reports become events once, and their values stay until the attempt ends."""

from __future__ import annotations

import math

from autofinetune.core.events import Reported
from autofinetune.core.status import Direction, Status
from autofinetune.core.trials import Trial
from autofinetune.executors import JobState, Observation, Report
from autofinetune.run.reports import Reports
from autofinetune.run.stopping import Stopping


def made() -> Reports:
    stopping = Stopping(None, Direction.MAXIMIZE)
    return Reports(Direction.MAXIMIZE, stopping, lambda: 9.0, lambda why: None)


def test_known_reports_count_for_the_values_and_are_no_events_again() -> None:
    reports = made()
    reports.begin(3)
    trial = Trial(3, 0, 0, {}, None, Status.RUNNING, 1, report_offset=20, reports=1)
    news = Observation((3, 1), JobState.RUNNING, (
        Report("intermediate", 0.1, None, 20),
        Report("intermediate", math.nan, None, 30),
        Report("intermediate", 0.2, None, 40),
        Report("intermediate", 0.15, 7, 50),
        Report("final", 0.9, None, 60),
    ))  # fmt: skip
    assert list(reports.take(trial, news)) == [
        Reported(9.0, 3, 1, 1, 0.2, 40), Reported(9.0, 3, 1, 7, 0.15, 50),
    ]  # fmt: skip
    values = reports.end(3)
    assert (values.finals, values.last, values.best) == ([0.9], 0.15, 0.2)
