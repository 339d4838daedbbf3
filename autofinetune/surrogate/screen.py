"""Chooses the most promising of many proposed points by what finished trials say.

Scores are standardised after the bad tail was drawn in, so that an outlier bends nothing; a failed
trial counts as the worst. Points are judged by log expected
improvement (Ament et al., "Unexpected Improvements to Expected Improvement for Bayesian
Optimization", NeurIPS 2023) over the best posterior mean among the finished trials. A point that
was chosen, but has no result yet, counts as if it had its posterior mean as its result.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from autofinetune.space import Space

from .features import Features
from .gp import GaussianProcess, condition, fit

Array = NDArray[np.float64]
MOST_TRIALS = 300  # of which the process is made; beyond it the best and the newest
_BEST_SHARE = 0.5
_HUGE = 2.0**400
_LOG_ROOT_2PI = 0.5 * np.log(2.0 * np.pi)


class Screen:
    """A surrogate of the finished trials that grows with them."""

    def __init__(self, space: Space) -> None:
        self._features = Features(space)
        self._points: list[Array] = []
        self._merits: list[float] = []
        self._gp: GaussianProcess | None = None
        self._y: Array = np.empty(0)
        self._best = 0.0

    def __len__(self) -> int:
        return len(self._merits)

    def add(self, points: Array, merits: Array) -> None:
        """Take finished trials: `(n, dim)` and `(n,)`, NaN for failed ones."""
        self._points += list(points)
        self._merits += merits.tolist()
        self._gp = None

    def begin(self) -> None:
        """Fit to everything finished; forgets the points that were only chosen."""
        points, merits = self._training_set()
        self._y = standardized(merits)
        x = self._features(points)
        self._gp = fit(x, self._y)  # from the prior: an earlier fit would be state to restore
        mean, _ = self._gp.predict(x)
        self._best = float(mean.max())

    def log_improvement(self, points: Array) -> Array:
        """Log expected improvement at `points` `(m, dim)`; shape `(m,)`."""
        assert self._gp is not None
        mean, deviation = self._gp.predict(self._features(points))
        return log_expected_improvement(mean, deviation, self._best)

    def choose(self, points: Array) -> int:
        """The index of the best point, which from now on counts as pending."""
        index = int(np.argmax(self.log_improvement(points)))
        self.pend(points[index])
        return index

    def pend(self, point: Array) -> None:
        """Count a point as if its posterior mean were its result."""
        assert self._gp is not None
        x = self._features(point[None, :])
        mean, _ = self._gp.predict(x)
        self._y = np.append(self._y, mean)
        self._best = max(self._best, float(mean[0]))
        self._gp = condition(np.vstack([self._gp.x, x]), self._y, self._gp.theta)

    def best_point(self) -> Array:
        """The finished point of the highest merit, shape `(dim,)`."""
        return self._points[int(np.argmax(np.nan_to_num(self._merits, nan=-np.inf)))]

    def best_points(self, count: int) -> Array:
        """Up to `count` finished points in order of merit, shape `(n, dim)`."""
        order = np.argsort(-np.nan_to_num(self._merits, nan=-np.inf), kind="stable")
        return np.array([self._points[index] for index in order[:count]])

    def _training_set(self) -> tuple[Array, Array]:
        points, merits = np.array(self._points), np.array(self._merits)
        if len(merits) <= MOST_TRIALS:
            return points, merits
        order = np.argsort(-np.nan_to_num(merits, nan=-np.inf), kind="stable")
        best = order[: int(_BEST_SHARE * MOST_TRIALS)]
        newest = np.setdiff1d(np.arange(len(merits)), best)[len(best) - MOST_TRIALS :]
        chosen = np.sort(np.concatenate([best, newest]))
        return points[chosen], merits[chosen]


def standardized(merits: Array) -> Array:
    """Merits with mean 0 and deviation 1, `(n,)`, after the bad tail was drawn in.

    What lies further below the median than the best lies above it says no more than that it is
    bad, and would bend the process; NaN counts as the worst of all.
    """
    values = merits.copy()
    if not np.isfinite(values).any():
        return np.zeros(len(values))
    values[np.isnan(values)] = np.nanmin(values)
    if np.abs(values).max() > _HUGE:
        values = values / _HUGE / _HUGE  # so that no sum of squares overflows
    best, median = float(values.max()), float(np.median(values))
    if best > median:
        values = np.maximum(values, median - (best - median))
    spread = float(values.std())
    return np.asarray((values - values.mean()) / spread if spread > 0 else np.zeros(len(values)))


def log_expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """Log of E[max(0, f - best)] for f ~ N(mean, deviation^2), stable far below `best`."""
    z = (mean - best) / deviation
    near = z > -1.0
    result = np.empty_like(z)
    density = np.exp(-0.5 * z[near] ** 2 - _LOG_ROOT_2PI)
    result[near] = np.log(density + z[near] * np.exp(log_ndtr(z[near])))
    far = z[~near]
    # log(phi(z) + z Phi(z)) = log phi(z) + log1p(z Phi(z) / phi(z))
    ratio = log_ndtr(far) + 0.5 * far**2 + _LOG_ROOT_2PI
    small = far < -1e3
    inner = np.where(small, -2.0 * np.log(np.abs(far)), 0.0)
    inner[~small] = np.log1p(np.clip(-np.abs(far[~small]) * np.exp(ratio[~small]), -1 + 1e-16, 0))
    result[~near] = -0.5 * far**2 - _LOG_ROOT_2PI + inner
    return np.asarray(result + np.log(deviation))
