"""What running attempts have reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from autofinetune.config.scoring import Values
from autofinetune.core.events import Reported, StopRequested
from autofinetune.core.trials import Direction, Trial
from autofinetune.executors import MOST_REPORTS, JobState, Observation, Report
from autofinetune.run.stopping import Stopping


class Reports:
    """Turns the reports in observations into events, and keeps the values of each attempt.

    Args:
        direction: that of the score.
        stopping: decides which trials are stopped.
        now: the wall clock.
        notice: receives messages for the user.
    """

    def __init__(
        self,
        direction: Direction,
        stopping: Stopping,
        now: Callable[[], float],
        notice: Callable[[str], None],
    ) -> None:
        self._direction = direction
        self._stopping = stopping
        self._now = now
        self._notice = notice
        self._values: dict[int, Values] = {}

    def begin(self, trial: int) -> None:
        """Begin a new attempt at a trial."""
        self._values[trial] = Values()

    def end(self, trial: int) -> Values:
        """Return everything that the attempt reported."""
        return self._values.pop(trial)

    def take(self, trial: Trial, observation: Observation) -> Iterable[Reported | StopRequested]:
        """Yield the events that follow from the new reports of a running attempt."""
        values, count = self._values[trial.id], trial.reports
        # A trial that has ended, or has its result, needs no stop.
        may_stop = observation.state is JobState.RUNNING and not trial.stop_reason
        for report in observation.reports:
            if report.kind == "final":
                values.finals.append(report.score)
                continue
            values.add(report.score, self._direction)
            if report.offset <= trial.report_offset:
                continue
            event = self._as_event(trial, count, report)
            if math.isfinite(report.score):
                count += 1
                if count == MOST_REPORTS:
                    self._notice(
                        f"trial {trial.id} reported {count} intermediate scores; further ones are "
                        "not recorded, but its final score is"
                    )
                self._stopping.apply(event)
                yield event
            if may_stop and not values.finals and (why := self._stopping.reason_to_stop(event)):
                may_stop = False
                yield StopRequested(self._now(), trial.id, trial.attempt, why)

    def _as_event(self, trial: Trial, count: int, report: Report) -> Reported:
        step = count if report.step is None else report.step
        return Reported(self._now(), trial.id, trial.attempt, step, report.score, report.offset)
