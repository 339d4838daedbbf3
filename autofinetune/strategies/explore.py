"""Changes to the hyperparameters of a model when it is continued.

A change moves each hyperparameter by a step on its own scale and redraws a few (Jaderberg et al.,
arXiv 1711.09846, section 4.1.1). Many such changes are proposed, and a Gaussian process fitted to
all finished trials chooses among them, as in PB2 (Parker-Holder et al., arXiv 2002.02518). Here
the age of a chain is an additional coordinate of the process, so that it learns from scores of
young and old trainings together, and the best proposals are improved along its gradient at the
age of the next trial.
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
STEP = 0.1  # as a share of a hyperparameter's range, on its own scale
RESAMPLE = 0.25  # probability of redrawing a hyperparameter instead
RESAMPLE_CHOICE = 0.1
PROPOSALS = 100
HALF_AGE = 10.0  # the age in trials whose coordinate is 0.5


class Place(NamedTuple):
    """A point `(dim,)` in the unit cube for trial number `age` of a chain."""

    point: Point
    age: int


class Explorer:
    """Changes hyperparameters on the basis of all finished trials."""

    def __init__(self, space: Space) -> None:
        self._space = space
        # No hyperparameter can have this name, as names must not begin with a space.
        self._screen = Screen(Space((*space, FloatParameter(" age", 0.0, 1.0, 0.5))))

    def learn(self, place: Place, merit: float | None) -> None:
        """Take a result, higher is better; None for a failed trial."""
        merits = np.array([np.nan if merit is None else merit])
        self._screen.add(np.array([_row(place)]), merits)

    def change(
        self, start: Place, pending: Sequence[Place], period: int, rng: np.random.Generator
    ) -> Point:
        """Return a changed point for the age of `start`; refit after `period` results."""
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
    """Return another coordinate: usually one step away, sometimes anywhere."""
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
        return max(beside) if step > 0 else min(beside)  # at least one value further
    return away
