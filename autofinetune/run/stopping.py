"""Which trials are hopeless, and what those that were stopped would have come to.

A fold of events beside the state: a resumed run decides as if it had never been away. Trials that
continue a saved model begin where others end, so that they are compared among themselves only.
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
from autofinetune.core.state import Direction, Status, Trial

DIVERGED = "diverged"


class Stopping:
    """The learning curves of a run, and the assessor that looks at them.

    Args:
        assessor: None stops nothing, and nothing is kept.
        direction: what a better score is.
    """

    def __init__(self, assessor: Assessor | None, direction: Direction) -> None:
        self._assessor = assessor
        self._direction = direction
        self._kinds: defaultdict[bool, Curves] = defaultdict(Curves)  # by whether it continues
        self._continues: dict[int, bool] = {}
        self._offsets: dict[int, int] = {}  # behind the last report that was taken

    def apply(self, event: Event) -> None:
        """Fold one event; a report that was folded already is passed over."""
        if self._assessor is None:
            return
        if isinstance(event, TrialCreated):
            self._continues[event.trial] = event.parent is not None
        elif isinstance(event, AttemptPlanned):
            self._curves(event.trial).begin(event.trial)
            self._offsets[event.trial] = 0
        elif isinstance(event, Reported):
            self._report(event)
        elif isinstance(event, AttemptLost):
            self._curves(event.trial).fail(event.trial)
        elif isinstance(event, TrialEnded):
            self._end(event)

    def _report(self, event: Reported) -> None:
        if event.offset > self._offsets[event.trial]:
            self._offsets[event.trial] = event.offset
            self._curve(event.trial).add(event.step, self._direction.merit(event.score))

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
        """Why a trial is to be stopped after this report, or nothing.

        A finite one was folded before; NaN and infinity never are, and stop a trial by themselves.
        """
        if self._assessor is None:
            return ""
        if not math.isfinite(event.score):
            return f"{DIVERGED}: the score at step {event.step} is not a finite number"
        curves, curve = self._curves(event.trial), self._curve(event.trial)
        if 0 < curves.furthest <= curve.position:
            return ""  # it is as good as over
        why = self._assessor.assess(curve, curves)
        return f"assessor: {why} at step {event.step}" if why else ""

    def score(self, trial: Trial) -> float | None:
        """The last score on the way of a trial that runs."""
        merits = self._curve(trial.id).merits
        return self._direction.merit(merits[-1]) if merits else None

    def estimate(self, trial: Trial) -> float | None:
        """The score to which a trial that was stopped would have come; None if it diverged."""
        curve = self._curve(trial.id)
        if not curve.merits or kind_of(trial.stop_reason) == DIVERGED:
            return None
        return self._direction.merit(self._curves(trial.id).expected(curve))

    def _curves(self, trial: int) -> Curves:
        return self._kinds[self._continues[trial]]

    def _curve(self, trial: int) -> Curve:
        return self._curves(trial).running[trial]
