"""Early stopping: which trials are hopeless, and which final scores they would have reached.

The learning curves are folded from the events, so a resumed run decides as if it had never
stopped. Trials that continue a saved model start where others end, so they are compared only
with each other.
"""

from __future__ import annotations

import math
from collections import defaultdict

from autofinetune.assessors import Assessor
from autofinetune.config.safety import kind_of
from autofinetune.core.curves import Curve, Curves
from autofinetune.core.events import (
    AttemptLost,
    AttemptPlanned,
    Event,
    Reported,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.judgement import Judge
from autofinetune.core.state import Trial
from autofinetune.core.status import Direction, Status

DIVERGED = "diverged"


class Stopping:
    """The learning curves of a run and the assessor that judges them, if there is one.

    An assessor that asks the strategy does so through `judge`, which gets the reports, too.
    """

    def __init__(
        self, assessor: Assessor | None, direction: Direction, judge: Judge | None = None
    ) -> None:
        self._assessor = assessor
        self._direction = direction
        self._judge = judge if assessor is not None and assessor.asks_strategy else None
        if assessor is not None and self._judge is not None:
            assessor.consult(self._judge)
        self._kinds: defaultdict[bool, Curves] = defaultdict(Curves)  # by `continues`
        self._continues: dict[int, bool] = {}
        self._offsets: dict[int, int] = {}  # the end of the last report that was folded

    def apply(self, event: Event) -> None:
        """Fold one event; reports that were already folded are ignored."""
        if self._assessor is None:
            return
        if isinstance(event, TrialCreated):
            self._continues[event.trial] = event.parent is not None
        elif isinstance(event, AttemptPlanned):
            self._curves(event.trial).begin(event.trial)
            self._offsets[event.trial] = 0
        elif isinstance(event, Reported):
            if event.offset > self._offsets[event.trial]:
                self._offsets[event.trial] = event.offset
                curve = self._curve(event.trial)
                curve.add(event.step, self._direction.merit(event.score))
                if self._judge is not None:
                    self._judge.report(event.trial, curve.position, curve.merits[-1])
        elif isinstance(event, AttemptLost):
            self._curves(event.trial).fail(event.trial)
        elif isinstance(event, TrialEnded):
            self._end(event)

    def _end(self, event: TrialEnded) -> None:
        curves = self._curves(event.trial)
        del self._continues[event.trial], self._offsets[event.trial]
        if event.status == Status.COMPLETED and event.score is not None:
            curves.complete(event.trial, self._direction.merit(event.score))
        elif event.status == Status.STOPPED:
            curves.stop(event.trial)
        else:
            curves.fail(event.trial)

    def reason_to_stop(self, event: Reported) -> str:
        """Return why to stop a trial after this report, or an empty string.

        Finite reports are folded before. NaN and infinity never are; they always stop the trial.
        """
        if self._assessor is None:
            return ""
        if not math.isfinite(event.score):
            return f"{DIVERGED}: the score at step {event.step} is not a finite number"
        curves, curve = self._curves(event.trial), self._curve(event.trial)
        if 0 < curves.furthest <= curve.position:
            return ""  # it has almost finished
        why = self._assessor.assess(curve, curves)
        return f"assessor: {why} at step {event.step}" if why else ""

    def score(self, trial: Trial) -> float | None:
        """Return the last intermediate score of a running trial, or None."""
        merits = self._curve(trial.id).merits
        return self._direction.merit(merits[-1]) if merits else None

    def estimate(self, trial: Trial) -> float | None:
        """Return the expected final score of a stopped trial, or None if it diverged."""
        curve = self._curve(trial.id)
        if not curve.merits or kind_of(trial.stop_reason) == DIVERGED:
            return None
        expected = self._judge.expected(trial.id) if self._judge is not None else None
        if expected is None:
            expected = self._curves(trial.id).expected(curve)
        return self._direction.merit(expected)

    def _curves(self, trial: int) -> Curves:
        return self._kinds[self._continues[trial]]

    def _curve(self, trial: int) -> Curve:
        return self._curves(trial).running[trial]
