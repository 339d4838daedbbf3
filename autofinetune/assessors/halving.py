"""ASHA: asynchronous successive halving; at each rung only the best 1/eta of a bracket continue.

Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, algorithm 2, in the
variant that stops trials instead of pausing them: rung k lies at min_steps * eta^k, and a trial
that reaches it continues if it is among the best max(1, floor(n / eta)) of the n trials that have
reached it.

The position of the first rung matters most, as good trials must stand out by then. By default it
is a twelfth of a full training, whose length is that of the longest completed trial.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

from autofinetune.core.curves import Curve, Curves
from autofinetune.options import Option

from .base import OPTIMIZE_MODE, Assessor

ETA = ("reduction_factor",)
MIN_STEPS = ("min_resource", "min_iter", "grace_period", "r")
MAX_STEPS = ("max_resource", "max_iter", "max_t", "R")
_SHARE = 12  # the first rung lies at a full training divided by this
_MOST_RUNGS = 100


class ASHA(Assessor):
    """Asynchronous successive halving, in one bracket."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "min_steps": Option(
            0, "steps up to the first rung; 0: a twelfth of max_steps", 0, 10**9, also=MIN_STEPS
        ),
        "max_steps": Option(
            0, "steps of a full training; 0: as many as the longest completed trial",
            0, 10**9, also=MAX_STEPS,
        ),
        "eta": Option(3.0, "the best 1/eta of the trials pass a rung", 1.1, 1e6, also=ETA),
    }  # fmt: skip

    def assess(self, curve: Curve, curves: Curves) -> str:
        before = curve.positions[-2] if len(curve.positions) > 1 else 0
        for rung in self.rungs(curve.trial, curves):
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
        """Return the bracket of a trial; trials are compared only within one."""
        return 0

    def rungs(self, trial: int, curves: Curves) -> Iterator[int]:
        """Return the positions at which a trial is judged, in order."""
        whole = self.options["max_steps"] or curves.furthest
        first = self.options["min_steps"] or max(1, whole // _SHARE)
        if whole:
            return geometric(first, self.options["eta"], whole)
        is_given = self.options["min_steps"] > 0
        return geometric(first, self.options["eta"], math.inf if is_given else first)


def geometric(first: float, eta: float, end: float) -> Iterator[int]:
    """Yield floor(first * eta^k) for k = 0, 1, ... below `end`, each number once."""
    last = 0
    for k in range(_MOST_RUNGS):
        rung = math.floor(first * eta**k + 1e-9)
        if rung >= end:
            return
        if rung > last:  # 0 and repeats are left out
            last = rung
            yield rung
