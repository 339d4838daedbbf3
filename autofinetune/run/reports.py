"""What running attempts have reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from autofinetune.config.scoring import Values
from autofinetune.core.events import Reported, StopRequested
from autofinetune.core.status import Direction
from autofinetune.core.trials import Trial
from autofinetune.executors import MOST_REPORTS, JobState, Observation
from autofinetune.run.stopping import Stopping


@dataclass
class Reports:
    """Turns the reports in observations into events, and keeps the values of each attempt."""

    direction: Direction
    stopping: Stopping
    now: Callable[[], float]
    notice: Callable[[str], None]
    _values: dict[int, Values] = field(default_factory=dict)

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
            values.add(report.score, self.direction)
            if report.offset <= trial.report_offset:
                continue
            step = count if report.step is None else report.step
            event = Reported(
                self.now(), trial.id, trial.attempt, step, report.score, report.offset
            )
            if math.isfinite(report.score):
                count += 1
                if count == MOST_REPORTS:
                    self.notice(
                        f"trial {trial.id} reported {count} intermediate scores; further ones are "
                        "not recorded, but its final score is"
                    )
                self.stopping.apply(event)
                yield event
            if may_stop and not values.finals and (why := self.stopping.reason_to_stop(event)):
                may_stop = False
                yield StopRequested(self.now(), trial.id, trial.attempt, why)
