"""Metis: chooses the trial from which a noisy Gaussian process learns most about the optimum.

After `cold_start_num` random trials, a process with a Matern 3/2 kernel and learned noise is
fitted to all finished trials. The configuration of its highest mean is the expected optimum. With
the probability `exploration_probability`, or if the expected optimum was already tried, the next
trial is instead the one of these candidates whose result, 1.96 standard deviations above or below
the expected one, would raise the highest mean most:

* the point of the largest standard deviation,
* once there are 12 results, the point where the best 34 % of them are densest compared with the
  others,
* with `no_resampling=false`, once there are 50 results, trials whose results differ by 2.33
  standard deviations from what all others predict: they are run once more, and the process uses
  both results.

Points are found by climbing from `selection_num_starting_points` random points. After Li et al.,
"Metis: Robustly Tuning Tail Latencies of Cloud Systems", USENIX ATC 2018, with the options of
NNI's tuner.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import scipy

from autofinetune.surrogate import OrderedFeatures, Screen, uncertainty, upper_bound

from .base import Candidate, Known
from .options import OPTIMIZE_MODE, Option
from .turns import Array, Turns

NU = 1.5
GOOD = 0.34  # share of the trials that count as good
EXPLOIT_FROM, RESAMPLE_FROM = 12, 50  # numbers of results
MOST_RESAMPLED = 3  # candidates to be run once more
_mean = upper_bound(0.0)


class Metis(Turns):
    """See the module docstring."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "no_resampling": Option(True, "never run a doubtful trial once more"),
        "no_candidates": Option(False, "always run the expected optimum"),
        "selection_num_starting_points": Option(600, "random points to climb from", 1, 1_000_000),
        "cold_start_num": Option(10, "random trials first", 0, 1_000_000),
        "exploration_probability": Option(0.9, "how often to learn instead", 0.0, 1.0),
    }

    def _set_up(self) -> None:
        super()._set_up()
        self._screen = Screen(self.space, nu=NU, features=OrderedFeatures)
        self._points: list[tuple[float, ...]] = []
        self._merits: list[float] = []

    def _learn(self, candidate: Candidate, merit: float) -> None:
        self._screen.add(np.array([candidate.point]), np.array([merit]))
        self._points.append(candidate.point)
        self._merits.append(-math.inf if math.isnan(merit) else merit)

    def remember(self, earlier: Sequence[Known]) -> None:
        super().remember(earlier)
        self._screen.add_source(*self._as_arrays(earlier))

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        if self._number < self.options["cold_start_num"] or not self._points:
            return self._fresh(lambda: rng.random(self.space.dim))
        self._screen.begin(self._pending(), self.popsize)
        starts = rng.random((self.options["selection_num_starting_points"], self.space.dim))
        near = np.vstack([starts, self._points])
        self._screen.judge_by(_mean)
        optimum = self._screen.pick(near)
        explores = rng.random() < self.options["exploration_probability"]
        if self.options["no_candidates"] or not (explores or self._is_seen(optimum)):
            return self._untried(optimum, rng)
        again = self._again()
        new = self._new(starts)
        gains = [self._screen.gain(point, near) for point in (*new, *again)]
        best = int(np.argmax(gains))
        if best >= len(new):
            return tuple(again[best - len(new)].tolist())
        return self._untried(new[best], rng)

    def _new(self, starts: Array) -> list[Array]:
        """Return candidates that were not run before, `(dim,)` each."""
        self._screen.judge_by(uncertainty)
        found = [self._screen.pick(starts)]
        if len(self._points) >= EXPLOIT_FROM:
            points = np.array(self._points)
            order = np.argsort(-np.array(self._merits), kind="stable")
            count = math.ceil(GOOD * len(order))
            good, bad = points[order[:count]], points[order[count:]]
            likely = _log_density(starts, good) - _log_density(starts, bad)
            found.append(starts[int(np.argmax(likely))])
        return found

    def _again(self) -> list[Array]:
        """Return candidates to run once more; none is repeated twice."""
        if self.options["no_resampling"] or len(self._points) < RESAMPLE_FROM:
            return []
        times = [*self._points, *(c.point for c in self._unlearned.values())]
        doubtful = [p for p in self._screen.doubtful() if times.count(tuple(p.tolist())) == 1]
        return doubtful[:MOST_RESAMPLED]


def _log_density(at: Array, points: Array) -> Array:
    """Return the log density (Scott's rule) of `points` `(n, dim)` at `(m, dim)`, `(m,)`."""
    width = len(points) ** (-1.0 / (points.shape[1] + 4)) * np.maximum(points.std(0), 0.05)
    squares = (((at[:, None, :] - points[None, :, :]) / width) ** 2).sum(2)
    return np.asarray(scipy.special.logsumexp(-0.5 * squares, axis=1) - np.log(width).sum())
