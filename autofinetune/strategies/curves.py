"""The part of a strategy that learns from reports, for strategies with a surrogate."""

from __future__ import annotations

import math

import numpy as np

from autofinetune.core.judgement import Judgement
from autofinetune.surrogate import CurveScreen

from .base import Candidate
from .turns import Array, Turns


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
        self._screen.begin(self._unseen())
        outlook = self._screen.outlook(candidate.id)
        return Judgement(*outlook) if outlook else None

    def expected(self, candidate: Candidate) -> float | None:
        if not self._screen.has_curves:
            return None
        self._screen.begin(self._unseen())
        return self._screen.expected(candidate.id)

    def stopped(self, candidate: Candidate) -> None:
        self._screen.trainings.stop(candidate.id, candidate.point)

    def _learn(self, candidate: Candidate, merit: float) -> None:
        self._screen.add(np.array([candidate.point]), np.array([merit]))
        if math.isnan(merit) or not self._screen.trainings.is_stopped(candidate.id):
            self._screen.trainings.finish(candidate.id, candidate.point, merit)

    def _unseen(self) -> Array:
        """Return the points without a result or a rung that tells about the end, `(n, dim)`."""
        self._screen.refit()
        points = [
            candidate.point
            for number, candidate in self._unlearned.items()
            if not self._screen.is_seen(number)
        ]
        return np.array(points).reshape(-1, self.space.dim)
