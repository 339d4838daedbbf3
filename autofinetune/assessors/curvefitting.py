"""Curvefitting: stops a trial whose extrapolated learning curve ends clearly below the best.

After Domhan, Springenberg and Hutter, "Speeding Up Automatic Hyperparameter Optimization of Deep
Neural Networks by Extrapolation of Learning Curves", IJCAI 2015: several families of rising curves
are fitted to the reports, and their predictions for the last step are averaged. The trial is
stopped if

    prediction + spread <= best - (1 - threshold) * |best|

where `best` is the best result of a completed trial; for positive scores that are maximised the
right side is threshold * best. No trial is stopped before one has completed.

All families have the form y = c - a g(x; t), a >= 0. For a given shape t the best c and a have a
closed form, so all shapes of a grid are evaluated at once instead of searching for the best: a
decision takes a few milliseconds, is deterministic and cannot fail to converge. Curves are
weighted by their likelihood under noise of unknown size, SSE^(-(n - 2) / 2).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from autofinetune.core.curves import Curve, Curves
from autofinetune.options import Option

from .base import OPTIMIZE_MODE, Assessor

Array = NDArray[np.float64]
_LEAST_REPORTS = 4
_MOST_REPORTS = 200  # of a curve; a longer one is thinned out evenly
_GRID = 24
_HUGE = sys.float_info.max
_FLOOR = 0.03  # least noise, as a share of the range: no family fits even a smooth curve exactly


class Curvefitting(Assessor):
    """Extrapolation of the learning curve."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "epoch_num": Option(
            0, "steps of a full training; 0: as many as the longest completed trial", 0, 10**9
        ),
        "start_step": Option(6, "reports before a trial may be stopped", 0, 10**9),
        "threshold": Option(0.95, "share of the best result that must be in reach", 0.0, 1.0),
        "gap": Option(1, "reports between two decisions", 1, 10**9),
    }

    def assess(self, curve: Curve, curves: Curves) -> str:
        count = len(curve.merits) - max(self.options["start_step"], _LEAST_REPORTS)
        end = self.options["epoch_num"] or curves.furthest
        if curves.best is None or count < 0 or count % self.options["gap"]:
            return ""
        if curve.position >= end:
            return ""
        mean, spread = extrapolate(np.array(curve.positions), np.array(curve.merits), end)
        bar = curves.best - (1.0 - self.options["threshold"]) * abs(curves.best)
        return f"expected to end below the best at step {end}" if mean + spread <= bar else ""


def extrapolate(x: Array, y: Array, end: float) -> tuple[float, float]:
    """Predict the merit of a learning curve at a later position.

    Args:
        x: increasing positions `(n,)`, at least 1; n >= 3.
        y: merits `(n,)`, finite.
        end: the position to predict for.

    Returns:
        (mean, spread) of the prediction. The spread is infinite if the merits lie too far apart
        for arithmetic.
    """
    thin = -(-len(x) // _MOST_REPORTS)
    x, y = x[::-thin][::-1].astype(float), y[::-thin][::-1]
    low = float(y.min())
    scale = float(y.max()) - low or 1.0
    if not math.isfinite(scale):  # too far apart for arithmetic
        return float(y[-1]), float("inf")
    targets = (y - low) / scale
    shapes = _shapes(np.append(x, end) / end)
    g, ahead = shapes[:, :-1], shapes[:, -1]
    centred = g - g.mean(axis=1, keepdims=True)
    power = np.maximum((centred**2).sum(axis=1), 1e-12)
    slope = np.minimum(centred @ (targets - targets.mean()) / power, 0.0)  # -a
    predicted = targets.mean() + slope * (ahead - g.mean(axis=1))
    errors = targets - targets.mean() - slope[:, None] * centred
    sse = (errors**2).sum(axis=1) + len(x) * _FLOOR**2
    freedom = max(1, len(x) - 2)
    weights = (sse.min() / sse) ** (freedom / 2)
    weights /= weights.sum()
    mean = float(weights @ predicted)
    variance = float(weights @ ((predicted - mean) ** 2 + sse / freedom))
    # Scaled back with limits: a prediction beyond the floats must not stop a trial.
    spread = scale * float(np.sqrt(variance))
    return min(max(low + scale * mean, -_HUGE), _HUGE), min(spread, _HUGE)


def _shapes(x: Array) -> Array:
    """Return g for every family and shape, `(shapes, m)`.

    `x` `(m,)` holds positions as shares of the end.
    """
    shapes: list[Array] = [-x, -np.log(x)]  # linear, log-linear
    rates = np.geomspace(0.3, 100.0, _GRID)
    for shift in (0.0, 0.1):
        shapes += [(x + shift) ** -power for power in np.geomspace(0.05, 4.0, _GRID)]  # pow3, pow4
    for power in (0.5, 1.0, 1.5):  # exp4, Weibull, Janoschek
        shapes += [np.exp(-rate * x**power) for rate in rates]
    for power in (1.0, 2.0, 4.0):  # Hill, Morgan-Mercer-Flodin
        shapes += [1.0 / (1.0 + (rate * x) ** power) for rate in rates]
    shapes += [1.0 / np.log1p(rate * x) for rate in (3.0, 10.0, 30.0, 100.0)]  # ilog2
    return np.array(shapes)
