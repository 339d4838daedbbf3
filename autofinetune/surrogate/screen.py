"""Chooses the most promising of many proposed points on the basis of finished trials.

Scores are standardised after clipping bad ones, so that outliers do not distort the process.
Points are judged by a utility, by default log expected improvement (Ament et al., "Unexpected
Improvements to Expected Improvement for Bayesian Optimization", NeurIPS 2023) over the best
posterior mean among the finished trials. A point without a result counts as if its result were its
posterior mean. Failed trials are left out; once there are any, the utility of a point also counts
how probably it succeeds (`feasible.py`).

Each earlier run adds one feature that marks its trials. The length scale of this feature is
learned like any other, so that an earlier run counts as much as it resembles this one. Scores of
different runs may differ in level: configurations tried in both show the difference.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Space

from .climb import Box, climb
from .feasible import Feasible
from .features import LENGTH, Features
from .gp import NU, GaussianProcess, condition, fit
from .utility import Utility, log_improvement

Array = NDArray[np.float64]
MOST_TRIALS = 300  # used by the process; if there are more, the best and the newest
_MOST_KEPT = 10 * MOST_TRIALS  # trials kept to select these from
MOST_OF_A_SOURCE = 100
SOURCE_LENGTH = 2.0  # prior: another run differs from this one as much as another choice
CLIMBS = 3  # proposals from which to climb
FAR = 1.96
STRANGE = 2.33
_FIT_WORK = 6000  # iterations times trials
_SAME = 1e-9
TAIL = 3.0
_HUGE = 2.0**400
_AT_ONCE = 512  # points evaluated together, few enough to stay in the cache


class Screen:
    """A surrogate model of the finished trials, updated as trials finish.

    `length` is as for `Features.lengths`, `tail` as for `standardized`, `nu` and `noise` as for
    `gp.fit`.
    """

    def __init__(
        self,
        space: Space,
        length: float = LENGTH,
        tail: float = TAIL,
        nu: float = NU,
        noise: float | None = None,
        features: Callable[[Space], Features] = Features,
    ) -> None:
        self._features = features(space)
        self._length = length
        self._tail = tail
        self._nu = nu
        self._noise = noise
        self._utility: Utility = log_improvement
        self._sources: list[tuple[Array, Array]] = []
        self._points = np.empty((0, space.dim))
        self._merits = np.empty(0)
        self._count = 0  # finished trials, whether kept or not
        self._gp: GaussianProcess | None = None
        self._theta: Array | None = None
        self._fitted = 0  # how many trials the process was fitted to
        self._y: Array = np.empty(0)
        self._best = 0.0
        self._demand = 0.0
        self._feasible: Feasible | None = None  # as long as none of the newest failed
        self._labelled = 0  # how many trials it knows

    def __len__(self) -> int:
        return self._count

    def add(self, points: Array, merits: Array) -> None:
        """Add finished trials: points `(n, dim)` and merits `(n,)`, NaN for failed ones."""
        self._points = np.vstack([self._points, self._features.settled(points)])
        self._merits = np.concatenate([self._merits, merits])
        self._count += len(merits)
        if len(self._merits) > _MOST_KEPT:
            kept = most_telling(self._merits, 2 * MOST_TRIALS)
            self._points, self._merits = self._points[kept], self._merits[kept]

    def add_source(self, points: Array, merits: Array) -> None:
        """Add an earlier run: points `(n, dim)` and merits `(n,)`, NaN for failed trials."""
        chosen = most_telling(merits, MOST_OF_A_SOURCE)
        self._sources.append((points[chosen], standardized(merits, self._tail)[chosen]))

    def begin(self, pending: Array | None = None, period: int = 1) -> None:
        """Fit the process to all finished trials and to points without a result.

        Args:
            pending: points `(n, dim)` that count as if their results were their posterior means.
            period: refit the hyperparameters, which is the slowest part, after this many results.
        """
        # This depends on the results alone, so there is nothing to restore.
        period = min(period, MOST_TRIALS)
        fitted = self._count // period * period or self._count
        if self._theta is None or self._fitted != fitted:
            x, y, _ = self._data(fitted)
            # The fit starts from the prior for the same reason.
            iterations = fit_iterations(len(x))
            self._gp = fit(x, y, iterations, self._lengths(), self._nu, self._noise)
            self._theta, self._fitted = self._gp.theta, fitted
        self._learn_failures()
        x, self._y, own = self._data(self._count)
        self._gp = condition(x, self._y, self._theta, self._nu)
        mean, _ = self._gp.predict(x[:own])
        self._best = float(mean.max())
        if pending is not None and len(pending):
            self._pend(pending)

    def _learn_failures(self) -> None:
        """Learn where trials fail from the newest of all."""
        if self._labelled == self._count:
            return
        self._labelled, self._feasible = self._count, None
        points, failed = self._points[-MOST_TRIALS:], np.isnan(self._merits[-MOST_TRIALS:])
        if failed.any():
            lengths = self._features.lengths(self._length)
            self._feasible = Feasible(self._features(points), failed, lengths)

    def _chosen(self, count: int) -> NDArray[np.intp]:
        """Return the indices of those of `count` trials of which the process learns scores.

        As long as all failed, all; their scores count as equal.
        """
        merits = self._merits[: len(self._merits) - (self._count - count)]
        ran = np.flatnonzero(np.isfinite(merits))
        if not len(ran):
            return most_telling(merits, MOST_TRIALS)
        return ran[most_telling(merits[ran], MOST_TRIALS)]

    def _data(self, count: int) -> tuple[Array, Array, int]:
        """Return features and targets of `count` trials and earlier runs, and the rows of ours."""
        chosen = self._chosen(count)
        points, y = self._points[chosen], standardized(self._merits[chosen], self._tail)
        x, y = self._with_sources(self._own(points), y, points)
        return x, y, len(points)

    def _with_sources(self, x: Array, y: Array, points: Array) -> tuple[Array, Array]:
        """Return features and targets of this run, at `points`, and of all earlier runs."""
        xs, ys = [x], [y]
        for number, (known, merits) in enumerate(self._sources):
            xs.append(self._own(known))
            xs[-1][:, self._features.width + number] = 1.0
            ys.append(merits + _difference(points, y, known, merits))
        return np.vstack(xs), np.concatenate(ys)

    @property
    def _more(self) -> int:
        """How many features there are besides those of the hyperparameters."""
        return len(self._sources)

    def _lengths(self) -> Array:
        """Return the prior length scales of features and sources, `(width + sources,)`."""
        lengths = self._features.lengths(self._length)
        return np.concatenate([lengths, np.full(len(self._sources), SOURCE_LENGTH)])

    def _own(self, points: Array) -> Array:
        """Return the features of points as trials of this run, `(n, width + more)`."""
        return np.hstack([self._features(points), np.zeros((len(points), self._more))])

    def demand(self, improvement: float) -> None:
        """Count only improvements by more than this many standard deviations of all scores.

        The higher the demand, the further the next trials search from the best point.
        """
        self._demand = improvement

    def judge_by(self, utility: Utility) -> None:
        """Replace log expected improvement as the utility by which points are judged."""
        self._utility = utility

    def promise(self, points: Array) -> Array:
        """Return the utility at `points` `(m, dim)`; shape `(m,)`."""
        assert self._gp is not None
        found = []
        for first in range(0, len(points), _AT_ONCE):
            x = self._own(points[first : first + _AT_ONCE])
            mean, deviation = self._gp.predict(x)
            found.append(self._utility(mean, deviation, self._best + self._demand)[0])
            if self._feasible is not None:
                found[-1] = found[-1] + self._feasible.utility(x[:, : self._features.width])
        return np.concatenate(found)

    def climb(self, points: Array, low: Array | None = None, high: Array | None = None) -> Array:
        """Return maxima of the utility near `points`, `(k, dim)`.

        Ordered parameters stay between `low` and `high`, `(dim,)`; by default in the whole cube.
        """
        dim = points.shape[1]
        box = Box(np.zeros(dim) if low is None else low, np.ones(dim) if high is None else high)
        return climb(points, self._features, box, self.promise, self._slope)

    def _slope(self, x: Array) -> tuple[Array, Array]:
        """Return the utility and its gradient at features `(m, width)`."""
        assert self._gp is not None
        whole = np.hstack([x, np.zeros((len(x), self._more))])
        mean, deviation, mean_slope, deviation_slope = self._gp.slopes(whole)
        target = self._best + self._demand
        value, by_z, by_log = self._utility(mean, deviation, target)
        z = (mean - target) / deviation
        z_slope = (mean_slope - z[:, None] * deviation_slope) / deviation[:, None]
        gradient = by_log[:, None] * (deviation_slope / deviation[:, None])
        gradient = gradient + by_z[:, None] * z_slope
        if self._feasible is not None:
            chance, chance_slope = self._feasible.slope(x)
            value = value + chance
            gradient[:, : self._features.width] += chance_slope
        return value, gradient

    def pick(
        self,
        points: Array,
        low: Array | None = None,
        high: Array | None = None,
        climbs: int = CLIMBS,
    ) -> Array:
        """Return the best maximum near the `climbs` best of `points` `(m, dim)`; `(dim,)`."""
        order = np.argsort(-self.promise(points), kind="stable")
        tops = self.climb(points[order[:climbs]], low, high)
        return np.asarray(tops[int(np.argmax(self.promise(tops)))])

    def gain(self, point: Array, others: Array) -> float:
        """Return how much a result at `point` `(dim,)` would raise the highest mean at `others`.

        The mean of two results, FAR standard deviations above and below the expected one.
        """
        assert self._gp is not None
        x, at = self._own(others), self._own(point[None, :])
        x = np.vstack([x, at])
        _, deviation = self._gp.predict(at)
        before = self._gp.predict(x)[0]
        variance = deviation[0] ** 2 + np.exp(self._gp.theta[-1])
        move = self._gp.covariance(x, at)[:, 0] * FAR * deviation[0] / variance
        after = [(before + move).max(), (before - move).max()]
        return float(np.mean(after) - before.max())

    def doubtful(self) -> Array:
        """Return finished points whose results contradict all others, `(n, dim)`."""
        assert self._gp is not None
        chosen = self._chosen(self._count)
        strange = np.abs(self._gp.surprise()[: len(chosen)]) > STRANGE
        return np.asarray(self._points[chosen[strange]])

    def _pend(self, points: Array) -> None:
        assert self._gp is not None
        x = self._own(points)
        mean, _ = self._gp.predict(x)  # adding one point at its mean does not change the others'
        self._y = np.append(self._y, mean)
        self._best = max(self._best, float(mean.max()))
        self._gp = condition(np.vstack([self._gp.x, x]), self._y, self._gp.theta, self._nu)

    @property
    def is_fitted(self) -> bool:
        return self._gp is not None

    @property
    def noise(self) -> float:
        """The share of noise in the variance of the scores, according to the last fit."""
        assert self._gp is not None
        signal, noise = np.exp(self._gp.theta[-2:])
        return float(noise / (signal + noise))

    def incumbent(self) -> Array:
        """Return the finished point with the highest posterior mean, shape `(dim,)`."""
        assert self._gp is not None
        points = self._points[self._chosen(self._count)]
        return np.asarray(points[int(np.argmax(self._gp.predict(self._own(points))[0]))])

    def best_point(self) -> Array:
        """Return the finished point with the highest merit, shape `(dim,)`."""
        return np.asarray(self.best_points(1)[0])

    def best_points(self, count: int) -> Array:
        """Return up to `count` finished points, best first, shape `(n, dim)`."""
        order = np.argsort(-np.nan_to_num(self._merits, nan=-np.inf), kind="stable")
        return np.asarray(self._points[order[:count]])


def fit_iterations(rows: int) -> int:
    """Return how long to fit a process to so many rows, so that all fits take about as long."""
    return int(np.clip(_FIT_WORK / max(1, rows), 15, 50))


def most_telling(merits: Array, most: int) -> NDArray[np.intp]:
    """Return the indices of at most `most` trials to learn from: the best and the newest."""
    if len(merits) <= most:
        return np.arange(len(merits))
    order = np.argsort(-np.nan_to_num(merits, nan=-np.inf), kind="stable")
    best = order[: most // 2]
    newest = np.setdiff1d(np.arange(len(merits)), best)[len(best) - most :]
    return np.sort(np.concatenate([best, newest]))


def _difference(points: Array, y: Array, known: Array, merits: Array) -> float:
    """Return how much higher the scores `y` are than those of another run at the same points."""
    differences = [
        y[row] - merits[int(np.argmax(same))]
        for row, point in enumerate(points)
        if (same := (np.abs(known - point) < _SAME).all(1)).any()
    ]
    return float(np.mean(differences)) if differences else 0.0


def standardized(merits: Array, tail: float = TAIL) -> Array:
    """Return merits `(n,)` with mean 0 and standard deviation 1, after `clipped`."""
    values = clipped(merits, tail)
    spread = float(values.std())
    return np.asarray((values - values.mean()) / spread if spread > 0 else np.zeros(len(values)))


def clipped(merits: Array, tail: float = TAIL) -> Array:
    """Return merits `(n,)` without bad outliers, which would distort the process.

    Merits below median - tail * (best - median) are raised to that value: their differences say
    little. NaN counts as the worst merit; without any finite merit all are 0. Merits so large
    that their squares overflow are scaled down.
    """
    values = merits.copy()
    if not np.isfinite(values).any():
        return np.zeros(len(values))
    values[np.isnan(values)] = np.nanmin(values)
    if np.abs(values).max() > _HUGE:
        values = values / _HUGE / _HUGE  # so that no sum of squares overflows
    best, median = float(values.max()), float(np.median(values))
    if best > median:
        values = np.maximum(values, median - tail * (best - median))
    return np.asarray(values)
