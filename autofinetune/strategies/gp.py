"""GP: Bayesian optimisation with a Gaussian process of all finished trials.

After `cold_start_num` random trials, a process with a Matern kernel of smoothness `nu` and noise
of variance `alpha` is fitted to the standardised scores, in the unit interval of each parameter;
the numbers of a choice are ordered by value. The utility of a point is

    ei   the expected improvement by more than xi (its logarithm, which has the same maximum)
    poi  the probability of an improvement by more than xi
    ucb  the mean plus kappa standard deviations

It is evaluated at `selection_num_warm_up` random points and maximised by gradient ascent from the
best `selection_num_starting_points` of them. A running trial counts with its expected result. xi
is in standard deviations of the scores. (Rasmussen and Williams, 2006; the options are those of
NNI's GP tuner, which searches in raw units.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from autofinetune.surrogate import (
    CurveScreen,
    OrderedFeatures,
    log_improvement,
    log_probability,
    upper_bound,
)

from .base import Known
from .curves import KnowsCurves
from .options import OPTIMIZE_MODE, Option


class GPTuner(KnowsCurves):
    """Bayesian optimisation; see the module docstring."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "utility": Option("ei", "what a point promises", words=("ei", "ucb", "poi")),
        "kappa": Option(5.0, "deviations above the mean, for ucb", 0.0, 1e6),
        "xi": Option(0.0, "the least improvement, for ei and poi", 0.0, 1e6),
        "nu": Option("2.5", "how smooth scores are", words=("0.5", "1.5", "2.5")),
        "alpha": Option(1e-6, "variance of the noise of a score", 1e-10, 1e3),
        "cold_start_num": Option(10, "random trials first", 0, 1_000_000),
        "selection_num_warm_up": Option(100_000, "random points that are judged", 1, 10_000_000),
        "selection_num_starting_points": Option(250, "of which so many are climbed from", 1),
    }

    def _set_up(self) -> None:
        super()._set_up()
        nu, alpha = float(self.options["nu"]), self.options["alpha"]
        self._screen = CurveScreen(self.space, nu=nu, noise=alpha, features=OrderedFeatures)
        utilities = {"ei": log_improvement, "poi": log_probability}
        bound = upper_bound(self.options["kappa"])
        self._screen.judge_by(utilities.get(self.options["utility"], bound))
        self._screen.demand(self.options["xi"])

    def remember(self, earlier: Sequence[Known]) -> None:
        super().remember(earlier)
        self._screen.add_source(*self._as_arrays(earlier))

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        if self._number < self.options["cold_start_num"] or not len(self._screen):
            return self._fresh(lambda: rng.random(self.space.dim))
        self._screen.begin(self._pending(), self.popsize)
        points = rng.random((self.options["selection_num_warm_up"], self.space.dim))
        climbs = self.options["selection_num_starting_points"]
        return self._untried(self._screen.pick(points, climbs=climbs), rng)
