"""Surrogate: asks the strategy, which learns from reports, how each trial will end.

The strategy's Gaussian process of hyperparameters and progress predicts the final score of a trial
at a ninth, a quarter and a half of a full training. A trial is stopped if it is not clearly better
than the best of the others, and if its expected improvement per remaining step is less than half
of what a new configuration promises per step. The strategy learns a stopped trial as that
prediction. The first three trials are not stopped.

The length of a full training is that of the longest completed trial. No trial is stopped before
one has completed, unless `max_steps` gives the length, or an option of train.py such as `--epochs`
on the command line, until a trial reports more often.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from autofinetune.core.curves import Curve, Curves
from autofinetune.core.judgement import Judge, Judgement
from autofinetune.options import Option

from .base import OPTIMIZE_MODE, Assessor
from .halving import MAX_STEPS

_FIGURES = 2  # of a standard deviation
_MOST_DECIMALS = 8


class Surrogate(Assessor):
    """The strategy's own judgement."""

    asks_strategy = True
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "max_steps": Option(
            0, "steps of a full training; 0: train.py's --epochs, or the longest completed trial",
            0, 10**9, also=MAX_STEPS,
        ),
    }  # fmt: skip

    def consult(self, judge: Judge) -> None:
        super().consult(judge)
        judge.announce(self.options["max_steps"])

    def assess(self, curve: Curve, curves: Curves) -> str:
        if self.judge is None:
            return ""
        found = self.judge.judge(curve.trial)
        return self._reason(found) if found is not None and found.is_hopeless else ""

    def _reason(self, found: Judgement) -> str:
        sign = -1.0 if self.direction == "minimize" else 1.0
        places = _decimals(found)
        end, best = (f"{sign * merit:.{places}f}" for merit in (found.expected, found.best))
        side = "above" if self.direction == "minimize" else "below"
        if found.expected > found.best:
            side = "hardly better than"
        return (
            f"expected to end at {end} ± {found.deviation:.{places}f}, {side} the best {best}; "
            "a new configuration promises more per step"
        )


def _decimals(found: Judgement) -> int:
    """Return the decimals that show the deviation, and how far the trial is from the best."""
    smallest = min(found.deviation, abs(found.best - found.expected)) or 1.0
    digits = _FIGURES - 1 - math.floor(math.log10(smallest))
    return min(max(digits, 0), _MOST_DECIMALS)
