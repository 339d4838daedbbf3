"""Medianstop: stops a trial whose best report is worse than the median of the running averages.

The median stopping rule of Golovin et al., "Google Vizier: A Service for Black-Box Optimization",
KDD 2017, section 3.2.2: at a step, the best that the trial has reported is held against the median
over the other trials of the mean of their reports up to that step. The median of an even number is
the worse one of the two in the middle.

Other trials are all that have ended and reached the step, stopped ones included: of survivors
alone the bar would rise and rise. A first few of them are waited for. Steps are those that were
reported, so that trials that report at different intervals are compared at the same place.
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
        "start_step": Option(0, "reports before which no trial is stopped", 0, 10**9),
        "among": Option(
            "completed",
            "with which trials it is compared: those, or all that have ended",
            words=("completed", "ended"),
        ),
        "quantile": Option(0.5, "share of them that a trial has to beat", 0.0, 1.0),
        "min_completed": Option(5, "completed trials before which none is stopped", 1, 10**9),
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
        is_worse = (
            max(curve.merits) < means[math.floor((len(means) - 1) * self.options["quantile"])]
        )
        return f"worse than the median of {len(means)} trials" if is_worse else ""
