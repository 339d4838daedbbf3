"""A surrogate of hyperparameters and progress, so that it learns from unfinished trainings.

Each training counts once at every rung that it has reached (see `trainings.py`), at the features
of its hyperparameters and one more: how much of the training was left, 0 at the end. The process
is asked for the end only. So a training that was stopped early tells about the final score of its
neighbours, as far as trainings seen at both places have shown that early scores do. A product
kernel over hyperparameters and progress predicts learning curves as well as a transformer
(arXiv 2410.09239), and scores at a few rungs are enough (Klein et al., "Model-based Asynchronous
Hyperparameter and Neural Architecture Search", arXiv 2003.10865).

Two hyperparameters of the process are not fitted. Its noise is read from how rough the learning
curves are: a fitted noise grows with each training that does better or worse than its neighbours.
The length scale of the progress is given: trainings that are seen to their end were chosen by
their beginnings, so that a fitted one is too long, and the process too sure of itself.

Without any training at a rung, this is `Screen`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Space

from .features import LENGTH, Features, Mask
from .gp import NU, GaussianProcess, condition, fit
from .screen import TAIL, Array, Screen, clipped, fit_iterations, most_telling
from .trainings import COMPLETE, FAILED, RUNNING, Training, Trainings
from .utility import log_expected_improvement

Indices = NDArray[np.intp]
PROGRESS_LENGTH = 0.7  # length scale of what is left of a training
HANDICAP = math.log(2.0)  # how much more a new trial has to promise than one that is running
MOST_ROWS = 320
FITTED_ROWS = 160  # of which the hyperparameters of the process are learned, the slowest part
_LEAST_NOISE = 1e-5
_LEAST_ROWS = 3
PRIOR_TESTS = 3.0  # predictions from a rung that erred as expected
PRIOR_SQUARES = 1.0  # a sum of squared errors of blind predictions, in units of the variance
PRIOR_SHARE = 0.4  # of it, the errors of predictions from a rung
MOST_SHARE = 0.8  # from here on, a rung tells nothing about the end
WHOLE = 3  # the first so many trials are not stopped: they show what rungs tell about the end
_DRAWN = 256  # points among which a new trial is imagined
_NEAR = 0.05  # how far half of them lie from the best trials


class Observed(NamedTuple):
    """What the process learns from: features and targets of rows, and whose they are.

    `owners` and `rungs` `(n,)` are as in `Rows`; rows of earlier runs come after them. `shown` are
    the trainings of which rows were made, and all running ones.
    """

    x: Array
    y: Array
    owners: Indices
    rungs: Indices
    shown: list[Training]


class Outlook(NamedTuple):
    """What is expected of a running training, in merits: its end, and the best of all others."""

    mean: float
    deviation: float
    best: float
    is_hopeless: bool


class CurveScreen(Screen):
    """A `Screen` that learns from reports, too; `trainings` has them."""

    def __init__(
        self,
        space: Space,
        length: float = LENGTH,
        tail: float = TAIL,
        nu: float = NU,
        noise: float | None = None,
        features: Callable[[Space], Features] = Features,
    ) -> None:
        super().__init__(space, length, tail, nu, noise, features)
        self.trainings = Trainings()
        self._dim = space.dim
        self._checked: tuple[int, int] | None = None  # what `_curve_theta` was fitted to
        self._curve_theta: Array = np.empty(0)
        self._ends: dict[int, tuple[float, float]] = {}  # mean and deviation, standardised
        self._loc, self._unit = 0.0, 1.0
        self._errors: Array = np.empty(0)  # see `_tested`
        self._kept: Mask = np.empty(0, bool)  # which rungs, and the end, tell about the end

    @property
    def has_curves(self) -> bool:
        """Whether unfinished trainings count, so that there is one feature more."""
        return self.trainings.have_rungs

    @property
    def _more(self) -> int:
        return len(self._sources) + self.has_curves

    def _lengths(self) -> Array:
        lengths = super()._lengths()
        return np.append(lengths, PROGRESS_LENGTH) if self.has_curves else lengths

    def begin(self, pending: Array | None = None, period: int = 1) -> None:
        """Fit the process to all that is known.

        Running trainings are `pending`, too, whatever they have reported: a new one in their place
        would tell nothing.
        """
        if not self.has_curves:
            super().begin(pending, period)
            return
        self._learn_failures()
        self.refit()
        seen = self._observed(math.inf, MOST_ROWS)
        self._y = seen.y
        self._gp = condition(seen.x, seen.y, self._curve_theta, self._nu)
        self._look_ahead(seen.shown)
        if pending is not None and len(pending):
            best = self._best
            self._pend(pending)
            self._best = best  # only what was seen can be improved

    def refit(self) -> None:
        """Fit the hyperparameters to what was known at the last checkpoint, if it is new.

        So they depend on the reports alone, and there is nothing to restore.
        """
        now = self.trainings.checkpoint, self._more
        if self._checked == now or not self.has_curves:
            return
        ends = len(self.trainings.rungs)
        self._kept, self._errors = np.ones(ends + 1, bool), np.ones(ends)
        self._curve_theta, kept = self._fitted_to(now[0])
        if not kept.all():  # what says nothing about the end only disturbs the process
            self._kept = kept
            self._curve_theta, _ = self._fitted_to(now[0])
        self._checked = now

    def _fitted_to(self, until: float) -> tuple[Array, Mask]:
        """Return fitted hyperparameters, and which rungs tell about the end; the end does."""
        seen = self._observed(until, FITTED_ROWS)
        noise = self.trainings.noise(until) / self._unit**2
        noise = float(np.clip(noise, self._noise or _LEAST_NOISE, 1.0))
        if len(seen.x) < _LEAST_ROWS:
            theta = np.concatenate([np.log(self._lengths()), [0.0, np.log(noise)]])
            return theta, self._kept
        iterations = fit_iterations(len(seen.x))
        found = fit(seen.x, seen.y, iterations, self._lengths(), self._nu, noise, fixed=1)
        return found.theta, np.append(self._tested(found, seen), True)

    def _tested(self, process: GaussianProcess, seen: Observed) -> Mask:
        """Return which rungs tell about the end, `(rungs,)`, and note how far predictions err.

        The final score of every complete training is predicted without what was seen of it after
        a rung, and without anything that was seen of it. Where the former has not a clearly lower
        sum of squared errors, the rung tells nothing. Both begin at a prior, since trainings
        whose neighbours are known prove nothing.
        """
        ends = len(self.trainings.rungs)
        inverse = process.inverse()
        squares, relative, counts = np.zeros(ends), np.zeros(ends), np.zeros(ends)
        blind = 0.0
        for owner in seen.owners[seen.rungs == ends]:
            rows = np.flatnonzero(seen.owners == owner)
            rows = rows[np.argsort(seen.rungs[rows])]
            blind += _left_out(process, inverse, rows)[0] ** 2
            for first in range(1, len(rows)):
                error, deviation = _left_out(process, inverse, rows[first:])
                rung = seen.rungs[rows[first - 1]]
                squares[rung] += error**2
                relative[rung] += (error / deviation) ** 2
                counts[rung] += 1
        self._errors = np.sqrt((relative + PRIOR_TESTS) / (counts + PRIOR_TESTS))
        shares = (squares + PRIOR_SHARE * PRIOR_SQUARES) / (blind + PRIOR_SQUARES)
        return np.asarray((shares < MOST_SHARE) | (counts == 0))

    def _observed(self, until: float, most: int) -> Observed:
        """Return features and targets after `until` reports and results, and whose they are.

        At most `most` rows, which are of the best and the newest trainings.
        """
        every = list(self.trainings)
        rows = self.trainings.rows(every, until, self._kept)
        known = np.flatnonzero(np.isfinite(rows.hats))
        ran = [row for row in known if every[row].status != FAILED or every[row].end > until]
        known = np.array(ran, np.intp) if ran else known  # see `Screen._chosen`
        chosen = known[most_telling(rows.hats[known], most * 5 // 8)]
        kept = _last_of_each(rows.owners, chosen)[:most]
        points = np.array([every[owner].point for owner in rows.owners[kept]])
        points = points.reshape(-1, self._dim)
        low = clipped(rows.hats[known], self._tail).min(initial=math.inf)
        values = np.maximum(rows.merits[kept], low)
        self._loc = float(values.mean()) if len(values) else 0.0
        self._unit = (float(values.std()) if len(values) else 0.0) or 1.0
        x, y = self._own(points), (values - self._loc) / self._unit
        x[:, -1] = rows.ahead[kept]
        x, y = self._with_sources(x, y, points)
        running = [one for one in every if one.status == RUNNING and self._is_seen(one.number)]
        shown = {one.number: one for one in [*(every[n] for n in chosen), *running]}
        return Observed(x, y, rows.owners[kept], rows.rungs[kept], list(shown.values()))

    def _look_ahead(self, shown: Sequence[Training]) -> None:
        """Predict the end of trainings; the best of those that were not stopped is to improve."""
        assert self._gp is not None
        means, deviations = self._gp.predict(self._own(np.array([one.point for one in shown])))
        pairs = zip(means.tolist(), deviations.tolist(), strict=True)
        self._ends = {one.number: pair for one, pair in zip(shown, pairs, strict=True)}
        self._best = self._best_other(-1, default=float(means.max()))

    def _best_other(self, number: int, default: float) -> float:
        """Return the best expected end of trainings that run or are complete, except `number`."""
        found = [
            mean
            for other, (mean, _) in self._ends.items()
            if other != number and self.trainings[other].status in (RUNNING, COMPLETE)
        ]
        return max(found, default=default)

    def outlook(self, number: int) -> Outlook | None:
        """Judge a running training at a rung; call `begin` before. None: it is too early.

        It is hopeless if it is not clearly better than the best other one, and its expected
        improvement per remaining step is less than what a new trial promises, by `HANDICAP`.
        """
        seen = self.trainings.at_rung(number)
        if seen is None or number < WHOLE or not self._kept[seen.rung]:
            return None
        if not any(
            one.status == COMPLETE or (one.status == RUNNING and one.position >= seen.position)
            for one in self.trainings
            if one.number != number
        ):
            return None  # the furthest one continues
        mean, deviation = self._ends[number]
        deviation *= max(1.0, float(self._errors[seen.rung]))
        best = self._best_other(number, -math.inf)
        length = self.trainings.length
        gain = _log_gain(mean, deviation, best) - math.log(length - seen.position)
        bar = self._new_gain(best) - HANDICAP - math.log(length)
        is_hopeless = mean - deviation < best and gain < bar
        return Outlook(self._merit(mean), deviation * self._unit, self._merit(best), is_hopeless)

    def _is_seen(self, number: int) -> bool:
        """Return whether a training was seen at a rung that tells about the end."""
        if number not in self.trainings:
            return False
        return any(
            seen.rung >= len(self._kept) or self._kept[seen.rung]
            for seen in self.trainings[number].seen
        )

    def expected(self, number: int) -> float | None:
        """Return the merit with which a training is expected to end; call `begin` before."""
        return self._merit(self._ends[number][0]) if number in self._ends else None

    def _merit(self, standardised: float) -> float:
        return self._loc + self._unit * standardised

    def _new_gain(self, best: float) -> float:
        """Return the log expected improvement of a new trial, the best of some drawn points."""
        rng = np.random.default_rng(len(self._y))
        near = self.best_points(5)
        near = near[rng.integers(len(near), size=_DRAWN // 2)]
        near = near + _NEAR * rng.standard_normal(near.shape)
        points = np.vstack([rng.random((_DRAWN // 2, self._dim)), np.clip(near, 0.0, 1.0)])
        assert self._gp is not None
        means, deviations = self._gp.predict(self._own(points))
        return float(log_expected_improvement(means, deviations, best).max())

    def best_points(self, count: int) -> Array:
        """Return up to `count` points, best first, with curves also those of running trials."""
        if not self.has_curves:
            return super().best_points(count)
        every = list(self.trainings)
        hats = self.trainings.rows(every).hats
        order = np.argsort(-np.nan_to_num(hats, nan=-np.inf), kind="stable")
        return np.array([every[number].point for number in order[:count]])


def _last_of_each(owners: Indices, chosen: Indices) -> Indices:
    """Return the rows of the `chosen` owners: the last of each first, then the newest others.

    `owners` `(n,)` are sorted.
    """
    is_chosen = np.isin(owners, chosen)
    is_last = np.append(owners[1:] != owners[:-1], True) if len(owners) else is_chosen
    last = np.flatnonzero(is_chosen & is_last)
    others = np.flatnonzero(is_chosen & ~is_last)
    return np.concatenate([last[::-1], others[::-1]])


def _left_out(process: GaussianProcess, inverse: Array, rows: Indices) -> tuple[float, float]:
    """Predict the last of some observations without all of these; return error and deviation.

    Rasmussen and Williams, equation 5.12 for several observations at once.
    """
    covariance = np.linalg.inv(inverse[np.ix_(rows, rows)])
    return float(covariance[-1] @ process.alpha[rows]), float(covariance[-1, -1] ** 0.5)


def _log_gain(mean: float, deviation: float, best: float) -> float:
    found = log_expected_improvement(np.array([mean]), np.array([deviation]), best)
    return float(found[0])
