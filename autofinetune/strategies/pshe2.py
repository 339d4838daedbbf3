"""PSHE2: members with momentum in a damped potential, with random perturbation.

PaddleHub describes it as a Hamiltonian system that searches for the point of lowest potential
energy, each member being guided by its own history and the population's best, with some random
perturbation. No paper is known. Here member i has a position q_i in the unit cube, a momentum p_i
(its last displacement divided by the step size a) and a best position b_i; the population has a
best position g. A move is one step of the damped system

    dq/dt = p,    dp/dt = -F(q) - (3 / t) p,

with the friction of Nesterov's differential equation (Su, Boyd, Candes, JMLR 17(153), 2016) taken
implicitly, which keeps the factor of p within (0, 1). Many copies of the member move at once, each
with its own random springs and perturbation, in round t = 1, 2, ...:

    F = r1 * (q_i - b_i) + r2 * (q_i - g)           r1, r2 ~ U(0, 2) for each coordinate
    p = (p_i - a F) / (1 + 3 a / t)
    q = reflect(q_i + a p + e_t s k * n)            n ~ N(0, 1), ln s ~ N(0, 0.8^2)
    e_t = e_last + (e_first - e_last) * c^(t - 1)

k switches single coordinates off, so that some moves are along few axes, and `reflect` mirrors at
the bounds. The potential energy that selects one of the copies is learned from all finished
trials: minus the log expected improvement of a Gaussian process (`autofinetune.surrogate`), in
which running trials count with their expected results. Copies compete with points from the whole
cube and from near the best trials; the best of them descend along the gradient of the potential,
without momentum, to a local minimum, and the lowest is chosen. The first member seeks any
improvement of the best score and each further one a larger improvement, so that they search in
different places. A member whose trial failed learns nothing from it and is pulled back by its
springs. The first trials are a space-filling design that contains the initial values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from .base import Candidate
from .design import reflect
from .options import Option
from .population import POPULATION_OPTIONS, Population
from .turns import Array

NOISE_DECAY = 0.85  # c
NOISE_SPREAD = 0.8
BEST_NEAR = 5
KEEP_AXIS = (1.0, 0.5, 0.25)  # each copy draws one: the probability of perturbing a coordinate


class PSHE2(Population):
    """Damped Hamiltonian moves in a learned potential; see the module docstring."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "step": Option(0.5, "a, the step size of a move", 0.01, 2.0),
        "friction": Option(3.0, "what momentum loses", 0.0, 100.0),
        "noise_first": Option(0.175, "e_first, in units of the whole range", 0.0, 1.0),
        "noise_last": Option(0.025, "e_last, in units of the whole range", 0.0, 1.0),
        "copies": Option(600, "trajectories of a member that are compared", 8, 100_000),
        **POPULATION_OPTIONS,
    }

    def _set_up(self) -> None:
        super()._set_up()
        shape = (self.popsize, self.space.dim)
        self._q = np.full(shape, 0.5)
        self._p = np.zeros(shape)
        self._own_best = np.full(shape, 0.5)
        self._own_merit = np.full(self.popsize, -np.inf)

    def _choose(self, round_: int, member: int, rng: np.random.Generator) -> Array:
        return self._pick(
            np.vstack([self._trajectories(round_, member, rng), self._elsewhere(round_, rng)])
        )

    def _learn(self, candidate: Candidate, merit: float) -> None:
        super()._learn(candidate, merit)
        member, point = candidate.member, np.array(candidate.point)
        if candidate.round:
            self._p[member] = (point - self._q[member]) / self.options["step"]
        self._q[member] = point
        if merit > self._own_merit[member]:
            self._own_best[member], self._own_merit[member] = point, merit

    def _trajectories(self, round_: int, member: int, rng: np.random.Generator) -> Array:
        """Return the points to which copies of a member move, `(copies, dim)`."""
        shape = (self.options["copies"], self.space.dim)
        step, friction = self.options["step"], self.options["friction"]
        q, p = self._q[member], self._p[member]
        best = self._own_best[int(np.argmax(self._own_merit))]
        own = self._own_best[member] if np.isfinite(self._own_merit[member]) else best
        spring_own, spring_all = rng.uniform(0.0, 2.0, (2, *shape))
        force = spring_own * (q - own) + spring_all * (q - best)
        momentum = (p - step * force) / (1.0 + friction * step / max(1, round_))
        return reflect(q + step * momentum + self._noise(shape, round_, rng))

    def _elsewhere(self, round_: int, rng: np.random.Generator) -> Array:
        """Return points from the whole cube and near the best trials, so that all are in reach."""
        shape = (self.options["copies"] // 2, self.space.dim)
        best = self._screen.best_points(BEST_NEAR)
        near = best[rng.integers(len(best), size=shape[0])] + self._noise(shape, round_, rng)
        return np.vstack([rng.random(shape), reflect(near)])

    def _noise(self, shape: tuple[int, int], round_: int, rng: np.random.Generator) -> Array:
        later = max(0, round_ - 1)
        first, last = self.options["noise_first"], self.options["noise_last"]
        size = last + (first - last) * NOISE_DECAY**later
        scale = size * np.exp(NOISE_SPREAD * rng.standard_normal((shape[0], 1)))
        switch = rng.random(shape) < rng.choice(KEEP_AXIS, size=(shape[0], 1))
        switch[np.arange(shape[0]), rng.integers(shape[1], size=shape[0])] = True
        return np.asarray(scale * switch * rng.standard_normal(shape))
