"""HAZero: covariance matrix adaptation (CMA-ES) in the unit cube, screened by a surrogate.

Each round samples x ~ m + sigma N(0, C), and a whole generation moves m to the weighted mean of
its better half, adapts the step size sigma along the evolution path and C by rank-one and rank-mu
updates (Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772, equations 6, 12, 30,
37). The package `cma` does the arithmetic; this file gives it what a search of few, failing,
equal-scored trials needs:

* the first trials are a space-filling design that contains the initial values, and the best of
  them is the first mean;
* many samples are drawn, a third of them from a wider distribution, and only those are trained
  that promise most by a Gaussian process of all finished trials (`autofinetune.surrogate`), after
  they climbed to the top beside them without leaving the reach of the distribution;
* no discrete value dies out, however narrow the distribution has become;
* a distribution that has converged is followed by a wide one elsewhere with twice the generation
  (Auger and Hansen, "A Restart CMA Evolution Strategy with Increasing Population Size", 2005);
* only ranks matter to the update, and a failed trial ranks below every other of its generation; a
  generation in which everything failed teaches nothing and is left out;
* a generation has at least four members: with a smaller population it spans several rounds;
* none of the package's stopping criteria applies: rounds of equal scores are no reason to stop;
* one hyperparameter is searched in a plane whose second coordinate is ignored, since the update
  of C needs two;
* random numbers come from the seed and counts alone and never from numpy's global generator.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .base import Candidate
from .design import reflect
from .options import Option
from .population import POPULATION_OPTIONS, Population
from .turns import Array

SMALLEST_GENERATION = 4
WIDER = 2.5  # a third of the proposals are drawn so many times wider
REACH = 3.0  # how far from the mean a climb may lead, in standard deviations
CONVERGED = 1e-7  # of each range: closer samples tell nothing more
_NEVER_STOP = {
    "tolfun": 0,
    "tolfunhist": 0,
    "tolfunrel": 0,
    "tolflatfitness": 10**9,
    "tolx": 0,
    "tolxstagnation": False,
    "tolstagnation": 10**9,
}


class HAZero(Population):
    """CMA-ES over rounds of `popsize`; see the module docstring."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "sigma": Option(0.25, "first step size, in units of each parameter's range", 0.001, 1.0),
        "surrogate": Option("on", "screens samples by all finished trials", words=("on", "off")),
        "samples": Option(600, "samples of the distribution that are screened", 8, 100_000),
        **POPULATION_OPTIONS,
    }

    def _set_up(self) -> None:
        super()._set_up()
        rounds = -(-SMALLEST_GENERATION // self.popsize)
        self._normals = _Normals()
        self._generation = rounds * self.popsize
        self._updates = 0  # of the distribution
        self._updated_at = 0  # the number of candidates then
        self._samples: Array = np.empty((0, self.space.dim))
        self._blocks = 0  # how often it was sampled since
        self._told: list[tuple[Array, float]] = []
        self._evolution: Any = None  # made when it is needed: the package takes long to load

    @property
    def _can_choose(self) -> bool:
        return True  # by its distribution alone, if need be

    @property
    def _is_screened(self) -> bool:
        return bool(self.options["surrogate"] == "on")

    def _note(self, candidate: Candidate) -> None:
        self._begin(candidate.id)

    def _begin(self, number: int) -> None:
        """The best trial of the design, as far as it is known, is where the search begins."""
        if self._evolution is None and not self._design.covers(number):
            is_known = len(self._screen) > 0 and self._design.covers(0)
            start = self._screen.best_point() if is_known else np.array(self.space.init_point)
            self._evolution = self._new_evolution(start)
            self._updated_at = number

    def _choose(self, round_: int, member: int, rng: np.random.Generator) -> Array:
        self._begin(self._number)
        samples = self._sample()
        if not self._is_screened or not len(self._screen):
            return np.array(samples[(self._number - self._updated_at) % self._generation])
        return self._pick(samples, *self._reach())

    def _learn(self, candidate: Candidate, merit: float) -> None:
        super()._learn(candidate, merit)
        if self._design.covers(candidate.id):
            return
        self._told.append((_padded(np.array([candidate.point]))[0], merit))
        if len(self._told) < self._generation:
            return
        told, self._told = self._told, []
        losses = _losses(np.array([merit for _, merit in told]))
        if losses is None:
            return
        if not self._blocks:
            self._sample()  # cma wants to be asked before it is told
        # As if it had never seen the points, which is so for those of an earlier life.
        self._evolution.sent_solutions.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it misses them
            self._evolution.tell([vector for vector, _ in told], losses)
        self._updates += 1
        self._updated_at, self._blocks = self._number, 0
        if self._deviations().max() < CONVERGED:
            self._generation *= 2
            rng = np.random.default_rng([self.seed, self._updates, 2**32])
            self._evolution = self._new_evolution(rng.random(self.space.dim))

    def _sample(self) -> Array:
        """Samples of the distribution, `(n, dim)`, fresh ones for every generation of candidates.

        None are left out, since cma gives the first of a distribution in another way.
        """
        while self._blocks <= (self._number - self._updated_at) // self._generation:
            rng = np.random.default_rng([self.seed, self._updates, self._blocks])
            self._normals.rng = rng
            samples = self._asked()[:, : self.space.dim]
            if self._is_screened:
                wide = reflect(self._mean() + WIDER * (samples[::2] - self._mean()))
                samples = np.vstack([samples, wide])
            self._samples = self._with_margin(samples, rng)
            self._blocks += 1
        return self._samples

    def _asked(self) -> Array:
        if not self._is_screened:
            return np.array(self._evolution.ask(self._generation))
        # `ask` would bring each into the bounds by itself, which takes twenty times as long.
        unbounded = np.array(self._evolution.ask_geno(self.options["samples"]))
        into_bounds = _cma().boundary_handler.BoundTransform([[0.0], [1.0]]).repair
        return np.column_stack([into_bounds(column) for column in unbounded.T])

    def _with_margin(self, samples: Array, rng: np.random.Generator) -> Array:
        """No discrete value may die out: each sample leaves the mean's cell now and then.

        The idea of Hamano et al., "CMA-ES with Margin", GECCO 2022: a probability of at least
        1 / (popsize dim) for each discrete coordinate, here by moving the coordinate itself.
        """
        mean = self._mean()
        for axis, parameter in enumerate(self.space):
            here = parameter.decode(float(mean[axis]))
            beside = parameter.neighbours(float(mean[axis]))
            if not beside:
                continue
            leave = rng.random(len(samples)) < 1.0 / (self.popsize * self.space.dim)
            for row in np.flatnonzero(leave):
                if parameter.decode(float(samples[row, axis])) == here:
                    samples[row, axis] = rng.choice(beside)
        return samples

    def _mean(self) -> Array:
        return np.asarray(self._evolution.result.xfavorite)[: self.space.dim]

    def _deviations(self) -> Array:
        """Standard deviations of the distribution, `(dim,)`."""
        return np.asarray(self._evolution.result.stds)[: self.space.dim]

    def _reach(self) -> tuple[Array, Array]:
        """The box around the distribution, its lower and its upper corner."""
        away = REACH * self._deviations()
        return np.clip(self._mean() - away, 0.0, 1.0), np.clip(self._mean() + away, 0.0, 1.0)

    def _new_evolution(self, start: Array) -> Any:
        options = {
            "bounds": [0.0, 1.0],
            "popsize": self._generation,
            "seed": np.nan,  # anything else would reseed numpy's global generator
            "randn": self._normals,
            "verbose": -9,
        }
        if self._is_screened:
            options["CMA_mirrors"] = 0  # the surrogate chooses, so samples need not come in pairs
        place = _padded(start[None, :])[0]
        return _cma().CMAEvolutionStrategy(place, self.options["sigma"], options | _NEVER_STOP)


def _cma() -> Any:
    """The package, imported without the matplotlib that it would load for plots of its own."""
    hidden = "matplotlib" not in sys.modules
    if hidden:
        sys.modules["matplotlib"] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of the missing matplotlib
            import cma
    finally:
        if hidden:
            del sys.modules["matplotlib"]
    return cma


def _padded(points: Array) -> Array:
    """Points of one coordinate get a second one, which is ignored."""
    return points if points.shape[1] > 1 else np.hstack([points, np.full_like(points, 0.5)])


class _Normals:
    """The source of normal numbers given to cma: `(n, dim)` from a generator that is put in."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, *shape: int) -> Array:
        return self.rng.standard_normal(shape)


def _losses(merits: Array) -> list[float] | None:
    """Ranks from 0 (best), equal for equal merits, failed ones last; None if all failed."""
    finite = np.isfinite(merits)
    if not finite.any():
        return None
    _, ranks = np.unique(-merits[finite], return_inverse=True)
    losses = np.full(len(merits), float(len(merits)))
    losses[finite] = ranks
    return losses.tolist()
