"""The part of a strategy that learns from reports, for strategies with a surrogate."""

from __future__ import annotations

import math

import numpy as np

from autofinetune.core.judgement import Judgement
from autofinetune.surrogate import CurveScreen

from .base import Candidate
from .turns import Turns


class KnowsCurves(Turns):
    """Learns from reports of running trials and judges these; its `_screen` does the work."""

    knows_curves = True
    _screen: CurveScreen

    def announce(self, length: int) -> None:
        self._screen.trainings.announce(length)

    def report(self, candidate: Candidate, position: int, merit: float) -> None:
        self._screen.trainings.report(candidate.id, candidate.point, position, merit)

    def judge(self, candidate: Candidate) -> Judgement | None:
        if self._screen.trainings.at_rung(candidate.id) is None:
            return None
        self._screen.begin(self._pending())
        outlook = self._screen.outlook(candidate.id)
        return Judgement(*outlook) if outlook else None

    def expected(self, candidate: Candidate) -> float | None:
        if not self._screen.has_curves:
            return None
        self._screen.begin(self._pending())
        return self._screen.expected(candidate.id)

    def stopped(self, candidate: Candidate) -> None:
        self._screen.trainings.stop(candidate.id, candidate.point)

    def _learn(self, candidate: Candidate, merit: float) -> None:
        self._screen.add(np.array([candidate.point]), np.array([merit]))
        if math.isnan(merit) or not self._screen.trainings.is_stopped(candidate.id):
            self._screen.trainings.finish(candidate.id, candidate.point, merit)
