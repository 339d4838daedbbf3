"""Medianstop: stops a trial whose best report is worse than the median of the running averages.

The median stopping rule of Golovin et al., "Google Vizier: A Service for Black-Box Optimization",
KDD 2017, section 3.2.2: at each step, the best report of the trial is compared with the median of
other trials' mean reports up to that step. The median of an even number of values is the worse of
the two in the middle.

The other trials are the completed ones that reached the step; with `among=ended` also the stopped
ones. No trial is stopped before `min_completed` trials have completed. Steps are those that were
reported, so trials that report at different intervals are compared at the same step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from autofinetune.core.curves import Curve, Curves
from autofinetune.options import Option

from .base import OPTIMIZE_MODE, Assessor


class Medianstop(Assessor):
    """The median stopping rule."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "start_step": Option(0, "reports before a trial may be stopped", 0, 10**9),
        "among": Option(
            "completed",
            "the trials to compare with: ended includes stopped ones",
            words=("completed", "ended"),
        ),
        "quantile": Option(0.5, "share of them that a trial has to beat", 0.0, 1.0),
        "min_completed": Option(5, "completed trials before any may be stopped", 1, 10**9),
    }

    def assess(self, curve: Curve, curves: Curves) -> str:
        if len(curve.merits) < self.options["start_step"]:
            return ""
        completed = sum(other.final is not None for other in curves.ended)
        means = sorted(
            other.mean_until(curve.position)
            for other in curves.ended
            if other.position >= curve.position
            and (other.final is not None or self.options["among"] == "ended")
        )
        if completed < self.options["min_completed"] or not means:
            return ""
        bar = means[math.floor((len(means) - 1) * self.options["quantile"])]
        is_worse = max(curve.merits) < bar
        return f"worse than the median of {len(means)} trials" if is_worse else ""
