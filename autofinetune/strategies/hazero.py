"""HAZero: covariance matrix adaptation (CMA-ES) in the unit cube, screened by a surrogate.

Each round samples x ~ m + sigma N(0, C), and a whole generation moves m to the weighted mean of
its better half, adapts the step size sigma along the evolution path and C by rank-one and rank-mu
updates (Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772, equations 6, 12, 30,
37). The package `cma` does the arithmetic; this file gives it what a search of few, failing,
equal-scored trials needs:

* the first trials are a space-filling design that contains the initial values, and the best of
  them is the first mean;
* many samples are drawn, a third of them from a wider distribution, and only those are trained
  that promise most by a Gaussian process of all finished trials (`autofinetune.surrogate`);
* only ranks matter to the update, and a failed trial ranks below every other of its generation; a
  generation in which everything failed teaches nothing and is left out;
* a generation has at least four members: with a smaller population it spans several rounds;
* none of the package's stopping criteria applies: rounds of equal scores are no reason to stop;
* one hyperparameter is searched in a plane whose second coordinate is ignored, since the update
  of C needs two;
* random numbers come from (seed, round) alone and never from numpy's global generator.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from autofinetune.space import Space
from autofinetune.surrogate import Screen

from .design import Design, reflect
from .rounds import Array, RoundStrategy

SIGMA = 0.25  # first step size, in units of each parameter's whole range
SMALLEST_GENERATION = 4
DESIGN = 10  # trials spread over the space before the first generation
SAMPLES = 600  # of the distribution, of which the surrogate chooses the members of a round
WIDER = 2.5  # a third of the proposals are drawn so many times wider


class HAZero(RoundStrategy):
    """CMA-ES over rounds of `popsize`; see the module docstring."""

    def __init__(self, space: Space, popsize: int, seed: int, allow_repeats: bool = False) -> None:
        super().__init__(space, popsize, seed, allow_repeats)
        rounds = -(-SMALLEST_GENERATION // popsize)
        self._normals = _Normals()
        self._generation = rounds * popsize
        self._evolution: Any = None
        self._samples: Array = np.empty((0, space.dim))
        self._sampled_round = -1
        self._told: list[tuple[Array, float]] = []
        self._design = Design(space.dim, popsize, seed, DESIGN)
        self._screen = Screen(space)

    def _choose(self, rng: np.random.Generator) -> Array:
        if self._design.covers(self._round):
            return self._design.points(self._round)
        samples = self._sample()
        self._screen.begin()
        chosen = []
        for _ in range(self.popsize):
            chosen.append(samples[self._screen.choose(samples)])
        return np.array(chosen)

    def _learn(self, points: Array, merits: Array) -> None:
        self._screen.add(points, merits)
        if self._design.covers(self._round):
            if not self._design.covers(self._round + 1):
                self._evolution = self._new_evolution(self._screen.best_point())
            return
        self._sample()
        self._told += zip(_padded(points), merits.tolist(), strict=True)
        if len(self._told) < self._generation:
            return
        told, self._told = self._told, []
        losses = _losses(np.array([merit for _, merit in told]))
        if losses is None:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cma misses samples that were moved to untried places
            self._evolution.tell([vector for vector, _ in told], losses)

    def _sample(self) -> Array:
        """Samples of the distribution, `(SAMPLES, dim)`; cma must be asked once in every round."""
        if self._sampled_round == self._round:
            return self._samples
        self._sampled_round = self._round
        self._normals.rng = self.rng
        samples = np.array(self._evolution.ask(SAMPLES))[:, : self.space.dim]
        mean = np.asarray(self._evolution.result.xfavorite)[: self.space.dim]
        wide = reflect(mean + WIDER * (samples[::2] - mean))
        self._samples = np.vstack([samples, wide])
        return self._samples

    def _new_evolution(self, start: Array) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cma warns of a missing matplotlib at import
            import cma

        never = {
            "tolfun": 0,
            "tolfunhist": 0,
            "tolfunrel": 0,
            "tolflatfitness": 10**9,
            "tolx": 0,
            "tolxstagnation": False,
            "tolstagnation": 10**9,
        }
        options = {
            "bounds": [0.0, 1.0],
            "popsize": self._generation,
            "CMA_mirrors": 0,  # the surrogate chooses, so samples need not come in pairs
            "seed": np.nan,  # anything else would reseed numpy's global generator
            "randn": self._normals,
            "verbose": -9,
        }
        return cma.CMAEvolutionStrategy(_padded(start[None, :])[0], SIGMA, options | never)


def _padded(points: Array) -> Array:
    """Points of one coordinate get a second one, which is ignored."""
    return points if points.shape[1] > 1 else np.hstack([points, np.full_like(points, 0.5)])


class _Normals:
    """The source of normal numbers given to cma: `(n, dim)` from the generator of the round."""

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
