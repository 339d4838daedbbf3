"""HAZero: covariance matrix adaptation (CMA-ES) in the unit cube, screened by a surrogate.

Each round samples x ~ m + sigma N(0, C), and a whole generation moves m to the weighted mean of
its better half, adapts the step size sigma along the evolution path and C by rank-one and rank-mu
updates (Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772, equations 6, 12, 30,
37). The package `cma` does the arithmetic; this file adapts it to searches with few trials, some
of which fail or have equal scores:

* the first trials are a space-filling design that contains the initial values, and the best of
  them is the first mean;
* many samples are drawn, a third of them from a wider distribution; a Gaussian process of all
  finished trials (`autofinetune.surrogate`) selects the most promising ones, which climb to the
  nearest maximum within reach of the distribution before they are trained;
* no discrete value dies out, however narrow the distribution has become;
* once the distribution has converged, a wide one starts elsewhere with twice the generation size
  (Auger and Hansen, "A Restart CMA Evolution Strategy with Increasing Population Size", 2005);
* the update uses only ranks, and a failed trial ranks below every other of its generation; a
  generation in which all trials failed is left out;
* a generation has at least four members: with a smaller population it spans several rounds;
* none of the package's stopping criteria applies: rounds of equal scores do not end the search;
* a single hyperparameter is searched in a plane whose second coordinate is ignored, since the
  update of C needs two;
* random numbers depend only on the seed and on counts, never on numpy's global generator.
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
WIDER = 2.5  # a third of the proposals are drawn from a distribution this many times wider
REACH = 3.0  # how far from the mean a climb may lead, in standard deviations
CONVERGED = 1e-7  # as a share of each range: closer samples give no more information
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
        self._updated_at = 0  # the number of candidates at the last update
        self._samples: Array = np.empty((0, self.space.dim))
        self._blocks = 0  # how often the distribution was sampled since
        self._told: list[tuple[Array, float]] = []
        self._evolution: Any = None  # created when needed: the package takes long to load

    @property
    def _can_choose(self) -> bool:
        return True  # the distribution alone is enough

    @property
    def _is_screened(self) -> bool:
        return bool(self.options["surrogate"] == "on")

    def _note(self, candidate: Candidate) -> None:
        self._begin(candidate.id)

    def _begin(self, number: int) -> None:
        """Start the search at the best known trial of the design."""
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
            self._sample()  # cma requires an ask before each tell
        # Forget the samples, so that restored points and new ones are treated alike.
        self._evolution.sent_solutions.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cma warns of unknown samples
            self._evolution.tell([vector for vector, _ in told], losses)
        self._updates += 1
        self._updated_at, self._blocks = self._number, 0
        if self._deviations().max() < CONVERGED:
            self._generation *= 2
            rng = np.random.default_rng([self.seed, self._updates, 2**32])
            self._evolution = self._new_evolution(rng.random(self.space.dim))

    def _sample(self) -> Array:
        """Return samples of the distribution, `(n, dim)`, new ones for every generation.

        No block of samples is skipped, since cma draws the first one differently.
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
        # `ask` would bring each sample into the bounds separately, which takes 20 times as long.
        unbounded = np.array(self._evolution.ask_geno(self.options["samples"]))
        into_bounds = _cma().boundary_handler.BoundTransform([[0.0], [1.0]]).repair
        return np.column_stack([into_bounds(column) for column in unbounded.T])

    def _with_margin(self, samples: Array, rng: np.random.Generator) -> Array:
        """Move some samples out of the mean's cell, so that no discrete value dies out.

        After Hamano et al., "CMA-ES with Margin", GECCO 2022: each discrete coordinate leaves the
        cell with a probability of at least 1 / (popsize dim), here by moving the coordinate.
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
        """Return the standard deviations of the distribution, `(dim,)`."""
        return np.asarray(self._evolution.result.stds)[: self.space.dim]

    def _reach(self) -> tuple[Array, Array]:
        """Return the lower and the upper corner of a box around the distribution."""
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
    """Import `cma` without matplotlib, which it would load for its own plots."""
    hidden = "matplotlib" not in sys.modules
    if hidden:
        sys.modules["matplotlib"] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cma warns of the missing matplotlib
            import cma
    finally:
        if hidden:
            del sys.modules["matplotlib"]
    return cma


def _padded(points: Array) -> Array:
    """Return the points, with a second, ignored coordinate if they have only one."""
    return points if points.shape[1] > 1 else np.hstack([points, np.full_like(points, 0.5)])


class _Normals:
    """The source of normal numbers for cma: `(n, dim)` from a replaceable generator."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, *shape: int) -> Array:
        return self.rng.standard_normal(shape)


def _losses(merits: Array) -> list[float] | None:
    """Return ranks from 0 (best), equal for equal merits, failed ones last; None if all failed."""
    finite = np.isfinite(merits)
    if not finite.any():
        return None
    _, ranks = np.unique(-merits[finite], return_inverse=True)
    losses = np.full(len(merits), float(len(merits)))
    losses[finite] = ranks
    return losses.tolist()
