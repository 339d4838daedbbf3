"""How the hyperparameters of a model change when it is continued.

A change moves each hyperparameter by a step on its own scale and draws a few anew (Jaderberg et
al., arXiv 1711.09846, section 4.1.1). Many such changes are proposed and a Gaussian process of all
finished trials chooses among them, as in PB2 (Parker-Holder et al., arXiv 2002.02518); here it
sees the age of a chain as one more coordinate, so that scores of young and old trainings teach it
together, and the foremost proposals are improved along its gradient at the age in question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from autofinetune.space import ChoiceParameter, Parameter, Space
from autofinetune.space.parameters import FloatParameter
from autofinetune.surrogate import Screen

from .design import reflect

Point = tuple[float, ...]
STEP = 0.1  # of a hyperparameter's range, on its own scale
RESAMPLE = 0.25  # how likely a hyperparameter is drawn anew instead
RESAMPLE_CHOICE = 0.1
PROPOSALS = 100
HALF_AGE = 10.0  # trials of a chain that lie in the middle of the coordinate


class Place(NamedTuple):
    """A point `(dim,)` in the unit cube, for a trial that is the `age`-th of its chain."""

    point: Point
    age: int


class Explorer:
    """Changes hyperparameters by what all finished trials say."""

    def __init__(self, space: Space) -> None:
        self._space = space
        # A space in itself cannot be named like that, so that it is nobody's hyperparameter.
        self._screen = Screen(Space((*space, FloatParameter(" age", 0.0, 1.0, 0.5))))

    def learn(self, place: Place, merit: float | None) -> None:
        """Take a result, higher is better; None for a failed trial."""
        merits = np.array([np.nan if merit is None else merit])
        self._screen.add(np.array([_row(place)]), merits)

    def change(
        self, start: Place, pending: Sequence[Place], period: int, rng: np.random.Generator
    ) -> Point:
        """Where to go from `start`, whose age is that of the trial to come.

        Args:
            pending: what has no result yet.
            period: every so many results the Gaussian process is fitted anew.
        """
        if len(self._screen) < self._space.dim + 3:
            return self._perturbed(start.point, rng)
        proposals = [
            _row(Place(self._perturbed(start.point, rng), start.age)) for _ in range(PROPOSALS)
        ]
        low, high = np.zeros(self._space.dim + 1), np.ones(self._space.dim + 1)
        low[-1] = high[-1] = proposals[0][-1]
        rows = np.array([_row(place) for place in pending]).reshape(-1, self._space.dim + 1)
        self._screen.begin(rows, period)
        chosen = self._screen.pick(np.array(proposals), low, high)[:-1]
        return tuple(np.clip(chosen, 0.0, 1.0).tolist())

    def _perturbed(self, point: Point, rng: np.random.Generator) -> Point:
        moved = zip(self._space, point, strict=True)
        return tuple(_moved(parameter, u, rng) for parameter, u in moved)


def _row(place: Place) -> Point:
    return (*place.point, place.age / (place.age + HALF_AGE))


def _moved(parameter: Parameter, u: float, rng: np.random.Generator) -> float:
    """Another coordinate: a step away, or anywhere now and then."""
    is_choice = isinstance(parameter, ChoiceParameter)
    anywhere, resample = float(rng.random()), float(rng.random())
    step = STEP * float(rng.choice((-1.0, 1.0)))
    if resample < (RESAMPLE_CHOICE if is_choice else RESAMPLE):
        return anywhere
    if is_choice:
        return u
    away = float(reflect(np.array(u + step)))
    beside = parameter.neighbours(u)
    if beside and parameter.decode(away) == parameter.decode(u):
        return max(beside) if step > 0 else min(beside)  # one step of few, wide ones
    return away
