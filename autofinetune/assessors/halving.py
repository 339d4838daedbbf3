"""ASHA: asynchronous successive halving; at each rung only the best 1/eta of a bracket go on.

Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, algorithm 2, in the
form that stops instead of pausing: rung k lies at min_steps * eta^k, and a trial that comes there
goes on if it is among the best max(1, floor(n / eta)) of the n trials that have come there.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

from autofinetune.curves import Curve, Curves
from autofinetune.options import Option

from .base import OPTIMIZE_MODE, Assessor

ETA = Option(
    3.0, "only the best 1/eta of the trials pass a rung", 1.1, 1e6, also=("reduction_factor",)
)
MIN_STEPS = Option(
    1, "steps up to the first rung", 1, 10**9,
    also=("min_resource", "min_iter", "grace_period", "r"),
)  # fmt: skip
MAX_STEPS = ("max_resource", "max_iter", "max_t", "R")
_MOST_RUNGS = 100


class ASHA(Assessor):
    """Asynchronous successive halving, in one bracket."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "min_steps": MIN_STEPS,
        "max_steps": Option(
            0, "steps of a whole training, where no rung is needed; 0: as many as come",
            0, 10**9, also=MAX_STEPS,
        ),
        "eta": ETA,
    }  # fmt: skip

    def assess(self, curve: Curve, curves: Curves) -> str:
        before = curve.positions[-2] if len(curve.positions) > 1 else 0
        for rung in self.rungs(curve.trial):
            if rung > curve.position:
                break
            if rung > before and not self._passes(curve, curves, rung):
                return f"not among the best 1/{self.options['eta']:g} at rung {rung}"
        return ""

    def _passes(self, curve: Curve, curves: Curves, rung: int) -> bool:
        bracket = self.bracket(curve.trial)
        there = [
            other.first_from(rung)
            for other in curves.reaching(rung)
            if self.bracket(other.trial) == bracket
        ]
        going_on = max(1, math.floor(len(there) / self.options["eta"]))
        return curve.first_from(rung) >= heapq.nlargest(going_on, there)[-1]

    def bracket(self, trial: int) -> int:
        """Trials are compared within a bracket."""
        return 0

    def rungs(self, trial: int) -> Iterator[int]:
        """The positions at which a trial is judged, in order."""
        return geometric(
            self.options["min_steps"], self.options["eta"], self.options["max_steps"] or math.inf
        )


def geometric(first: float, eta: float, end: float) -> Iterator[int]:
    """floor(first * eta^k) for k = 0, 1, ... below `end`, each number once."""
    last = 0
    for k in range(_MOST_RUNGS):
        rung = math.floor(first * eta**k + 1e-9)
        if rung >= end:
            return
        if rung > last:
            last = rung
            yield rung
