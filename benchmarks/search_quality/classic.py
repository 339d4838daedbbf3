"""HAZero and PSHE2 as PaddleHub 1.8 has them, mistakes included: the baseline.

Every hyperparameter is a number x in [-1, 1], value = lo + (x + 1) / 2 (hi - lo), linear whatever
the scale, clipped to the range and cut off to a whole number for an int. The reward is
1 - metric and is minimised. PaddleHub has no categories: a choice is the cut-off number of its
place in the list.

What makes them weak is kept on purpose:

* HAZero begins with a step size of a tenth of each range around the initial values, never tries
  those themselves, and ends as soon as pycma says so.
* PSHE2's momenta and gradients are lists of references to one and the same row, so all members
  move as the last one does; positions leave the cube and are stored outside of it; the friction
  1 - 3 alpha / t is negative in the first round; the perturbation pulls to the middle.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Sequence
from typing import Any

from autofinetune.space import Space, Value

from .method import PARALLEL, Asked, Method


class _Linear:
    """PaddleHub's translation of [-1, 1] to values and back."""

    def __init__(self, space: Space) -> None:
        self._entries: list[dict[str, Any]] = [{**p.describe()} for p in space]

    def bounds(self, entry: dict[str, Any]) -> tuple[float, float]:
        if entry["type"] == "choice":
            return 0.0, len(entry["choices"]) - 1.0
        return float(entry["greater_than"]), float(entry["lower_than"])

    def initial(self) -> list[float]:
        found = []
        for entry in self._entries:
            low, high = self.bounds(entry)
            init: Any = entry["init_value"]
            if entry["type"] == "choice":
                init = entry["choices"].index(init)
            found.append(2.0 * (float(init) - low) / (high - low) - 1.0)
        return found

    def params(self, x: Sequence[float]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for entry, x_j in zip(self._entries, x, strict=True):
            low, high = self.bounds(entry)
            value = min(max(low + (x_j + 1.0) / 2.0 * (high - low), low), high)
            if entry["type"] == "choice":
                found[entry["name"]] = entry["choices"][int(value)]
            else:
                found[entry["name"]] = int(value) if entry["type"] == "int" else value
        return found


class ClassicHAZero(Method):
    """pycma with sigma 0.2 in [-1, 1]^n around the initial values; ends when pycma stops."""

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pycma warns of a missing matplotlib at import
            import cma

        self._linear = _Linear(space)
        options = {
            "popsize": PARALLEL,
            "bounds": [-1, 1],
            "AdaptSigma": True,
            "verbose": -9,
            "seed": seed + 1,  # 0 means the time
        }
        self._evolution: Any = cma.CMAEvolutionStrategy(self._linear.initial(), 0.2, options)

    def ask(self, n: int) -> Sequence[Asked]:
        if self._evolution.stop():
            return []
        return [Asked(self._linear.params(x), x) for x in self._evolution.ask()]

    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        self._evolution.tell([one.token for one in asked], [1.0 - score for score in scores])


class ClassicPSHE2(Method):
    """The loops of PaddleHub's PSHE2 with alpha 0.5 and epsilon 0.2."""

    alpha = 0.5
    epsilon = 0.2

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        self._linear = _Linear(space)
        self._random = random.Random(seed)
        n = space.dim
        initial = self._linear.initial()
        self._current = [self._moved(initial, 1.0) for _ in range(PARALLEL)]
        self._best = [list(x) for x in self._current]
        self._best_reward = [math.inf] * PARALLEL
        self._best_of_all: list[float] = []
        self._best_reward_of_all = math.inf
        # One row, referred to by every member, as `[[0] * n] * popsize` makes it.
        self._momentums: list[list[float]] = [[0.0] * n] * PARALLEL
        self._round = 0

    def ask(self, n: int) -> Sequence[Asked]:
        return [Asked(self._linear.params(x)) for x in self._current]

    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        rewards = [1.0 - score for score in scores]
        self._round += 1
        for i, reward in enumerate(rewards):
            if reward <= self._best_reward[i]:
                self._best[i], self._best_reward[i] = self._current[i], reward
        if min(rewards) <= self._best_reward_of_all:
            self._best_reward_of_all = min(rewards)
            self._best_of_all = self._current[rewards.index(min(rewards))]
        population, local = (
            self._gradients([self._best_of_all] * PARALLEL),
            self._gradients(self._best),
        )
        friction = 1.0 - 3.0 * self.alpha / self._round
        for i in range(PARALLEL):
            for j in range(len(self._best_of_all)):
                self._momentums[i][j] = (
                    friction * self._momentums[i][j]
                    - self.alpha * local[i][j]
                    - self.alpha * population[i][j]
                )
        self._current = [
            self._moved(
                [x_j + self.alpha * m_j for x_j, m_j in zip(x, momentum, strict=True)],
                self.epsilon,
            )
            for x, momentum in zip(self._current, self._momentums, strict=True)
        ]

    def _gradients(self, to: list[list[float]]) -> list[list[float]]:
        """x - `to` of the last member, in every row: the rows are one and the same list."""
        gradients = [[0.0] * len(to[0])] * PARALLEL
        for i in range(PARALLEL):
            for j in range(len(to[0])):
                gradients[i][j] = self._current[i][j] - to[i][j]
        return gradients

    def _moved(self, x: list[float], epsilon: float) -> list[float]:
        """Each coordinate a random part of the way to a wall, `epsilon` of it at most."""
        moved = []
        for x_j in x:
            u = self._random.uniform(-1.0, 1.0)
            moved.append(x_j + epsilon * u * ((1.0 - x_j) if u >= 0 else (1.0 + x_j)))
        return moved
