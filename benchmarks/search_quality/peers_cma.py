"""CMA-ES by the packages `cma` and `cmaes`, as a user of theirs would set it up.

Both work on the unit cube of the space, so that scales are the same as for everybody else, and
have the initial values as their first point.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from autofinetune.space import Space

from .method import PARALLEL, Asked, Method


class PyCma(Method):
    """`cma` with popsize 5 and a first step size of 0.25 of each range.

    Its stopping criteria are not heeded: ending early would only make it worse.
    """

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a missing matplotlib, and of one dimension
            import cma

            options = {
                "bounds": [0.0, 1.0],
                "popsize": PARALLEL,
                "verbose": -9,
                "seed": seed + 1,  # 0 means the time
            }
            self._evolution: Any = cma.CMAEvolutionStrategy(list(space.init_point), 0.25, options)
        self._space = space
        self._first: list[float] | None = list(space.init_point)

    def ask(self, n: int) -> Sequence[Asked]:
        points = self._evolution.ask()
        if self._first is not None:
            points[0], self._first = np.array(self._first), None
        return [Asked(self._space.decode(point), point) for point in points]

    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the first point was not drawn by cma
            self._evolution.tell([one.token for one in asked], [-score for score in scores])


class CatCma(Method):
    """`cmaes.CatCMAwM` with population 5: floats, whole numbers and categories together."""

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        from cmaes import CatCMAwM

        self._space = space
        self._sizes = [parameter.size or 0 for parameter in space]
        kinds = [parameter.describe() for parameter in space]
        every = range(space.dim)
        # Whole numbers on a log scale have cells of unequal width; they are rounded floats here.
        self._choice = [i for i in every if kinds[i]["type"] == "choice"]
        self._whole = [
            i for i in every if self._sizes[i] and i not in self._choice and "log" not in kinds[i]
        ]
        self._plain = [i for i in every if i not in self._choice + self._whole]
        given: dict[str, Any] = {"population_size": PARALLEL, "seed": seed}
        if self._plain:
            given["x_space"] = [[0.0, 1.0]] * len(self._plain)
        if self._whole:
            given["z_space"] = [list(range(self._sizes[i])) for i in self._whole]
        if self._choice:
            given["c_space"] = [self._sizes[i] for i in self._choice]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its experimental state
            self._optimizer: Any = CatCMAwM(**given)
        self._solved: list[tuple[Any, float]] = []
        self._is_first = True

    def ask(self, n: int) -> Sequence[Asked]:
        """The first configuration is the initial one, of which CatCMAwM learns nothing."""
        asked = [Asked(self._space.init_params)] if self._is_first else []
        self._is_first = False
        while len(asked) < n:
            solution = self._optimizer.ask()
            asked.append(Asked(self._space.decode(self._point(solution)), solution))
        return asked

    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        for one, score in zip(asked, scores, strict=True):
            if one.token is not None:
                self._solved.append((one.token, -score))
            if len(self._solved) == self._optimizer.population_size:
                self._optimizer.tell(self._solved)
                self._solved = []

    def _point(self, solution: Any) -> list[float]:
        """A point of the unit cube: the middle of the cell where there are cells."""
        point = [0.5] * self._space.dim
        for place, index in enumerate(self._plain):
            point[index] = float(solution.x[place])
        for place, index in enumerate(self._whole):
            point[index] = (float(solution.z[place]) + 0.5) / self._sizes[index]
        for place, index in enumerate(self._choice):
            row = np.asarray(solution.c[place])[: self._sizes[index]]
            point[index] = (int(row.argmax()) + 0.5) / self._sizes[index]
        return point
