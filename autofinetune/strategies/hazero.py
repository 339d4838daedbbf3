"""HAZero: covariance matrix adaptation (CMA-ES) in the unit cube, started at the initial values.

Each round samples x ~ m + sigma N(0, C), and a whole generation moves m to the weighted mean of
its better half, adapts the step size sigma along the evolution path and C by rank-one and rank-mu
updates (Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772, equations 6, 12, 30,
37). The package `cma` does the arithmetic; this file gives it what a search of few, failing,
equal-scored trials needs:

* only ranks matter, and a failed trial ranks below every other of its generation; a generation in
  which everything failed teaches nothing and is left out;
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

from .rounds import Array, RoundStrategy

SIGMA = 0.25  # first step size, in units of each parameter's whole range
SMALLEST_GENERATION = 4


class HAZero(RoundStrategy):
    """CMA-ES over rounds of `popsize`; see the module docstring."""

    def __init__(self, space: Space, popsize: int, seed: int, allow_repeats: bool = False) -> None:
        super().__init__(space, popsize, seed, allow_repeats)
        rounds = -(-SMALLEST_GENERATION // popsize)
        self._normals = _Normals()
        self._generation = rounds * popsize
        self._evolution = self._new_evolution()
        self._samples: Array = np.empty((0, max(2, space.dim)))  # of this generation, not yet used
        self._current = self._samples  # of this round
        self._told: list[tuple[Array, float]] = []

    def _new_evolution(self) -> Any:
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
        start = [*self.space.init_point, 0.5][: max(2, self.space.dim)]
        options = {
            "bounds": [0.0, 1.0],
            "popsize": self._generation,
            "seed": np.nan,  # anything else would reseed numpy's global generator
            "randn": self._normals,
            "verbose": -9,
        }
        return cma.CMAEvolutionStrategy(start, SIGMA, options | never)

    def _first_points(self, rng: np.random.Generator) -> Array:
        return self._next_points(rng)

    def _next_points(self, rng: np.random.Generator) -> Array:
        if not len(self._samples):  # cma wants a generation to be asked at once
            self._normals.rng = rng
            self._samples = np.array(self._evolution.ask())
        self._current, self._samples = np.split(self._samples, [self.popsize])
        return self._current[:, : self.space.dim].copy()

    def _learn(self, points: Array, merits: Array) -> None:
        vectors = self._current[: len(points)].copy()
        vectors[:, : self.space.dim] = points  # what was tried, not what was sampled
        self._told += zip(vectors, merits.tolist(), strict=True)
        if len(self._told) < self._generation:
            return
        told, self._told = self._told, []
        losses = _losses(np.array([merit for _, merit in told]))
        if losses is None:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cma misses samples that were moved to untried places
            self._evolution.tell([vector for vector, _ in told], losses)


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
