"""PSHE2: members with momentum in a potential, damped, with a random perturbation.

PaddleHub describes it as a Hamiltonian system that searches the point of lowest potential energy,
each member led by its own history and the population's best under some random perturbation. No
paper is known. Here member i has a position q_i in the unit cube, a momentum p_i (its last
displacement divided by the step size a), its best position b_i, and the population has a best
position g. A move is one step of the damped system

    dq/dt = p,    dp/dt = -F(q) - (3 / t) p,

with the friction of Nesterov's differential equation (Su, Boyd, Candes, JMLR 17(153), 2016) taken
implicitly, which keeps the factor of p within (0, 1). Many copies of the member set out at once,
each pulled by springs of its own and perturbed by itself, in round t = 1, 2, ...:

    F = r1 * (q_i - b_i) + r2 * (q_i - g)           r1, r2 ~ U(0, 2) for each coordinate
    p = (p_i - a F) / (1 + 3 a / t)
    q = reflect(q_i + a p + e_t s k * n)            n ~ N(0, 1), ln s ~ N(0, 0.8^2)
    e_t = e_last + (e_first - e_last) * c^(t - 1)

k switches single coordinates off, so that some moves are along few axes, and `reflect` mirrors at
the bounds. The potential energy that decides which copy is followed is learned from every finished
trial: minus the log expected improvement of a Gaussian process (`autofinetune.surrogate`), in
which members chosen before and still running count with their expected result. Copies compete
with points all over the cube and near the best trials, and the winner descends a little further.
A member whose trial failed learns nothing from it and is pulled back. The first trials are a
space-filling design that contains the initial values.
"""

from __future__ import annotations

import numpy as np

from autofinetune.space import Space
from autofinetune.surrogate import Screen

from .design import Design, reflect
from .rounds import Array, RoundStrategy

STEP = 0.5  # a
FRICTION = 3.0
NOISE_FIRST, NOISE_LAST, NOISE_DECAY = 0.175, 0.025, 0.85  # e_t, in units of the whole range
NOISE_SPREAD = 0.8
DESIGN = 10  # trials spread over the space before members begin to move
COPIES = 600  # proposals of a member
BEST_NEAR = 5
DESCENT = (0.1, 0.05, 0.02, 0.01)  # step sizes, in units of the whole range
KEEP_AXIS = (1.0, 0.5, 0.25)  # each member draws one: how likely a coordinate is perturbed


class PSHE2(RoundStrategy):
    """Damped Hamiltonian moves in a learned potential; see the module docstring."""

    def __init__(self, space: Space, popsize: int, seed: int, allow_repeats: bool = False) -> None:
        super().__init__(space, popsize, seed, allow_repeats)
        shape = (popsize, space.dim)
        self._q = np.full(shape, 0.5)
        self._p = np.zeros(shape)
        self._own_best = np.full(shape, 0.5)
        self._own_merit = np.full(popsize, -np.inf)
        self._design = Design(space.dim, popsize, seed, DESIGN)
        self._screen = Screen(space)

    def _choose(self, rng: np.random.Generator) -> Array:
        if self._design.covers(self._round):
            return self._design.points(self._round)
        self._screen.begin()
        chosen = []
        for member in range(self.popsize):
            proposals = np.vstack([self._trajectories(member, rng), self._elsewhere(rng)])
            chosen.append(self._best_of(proposals, rng))
        return np.array(chosen)

    def _learn(self, points: Array, merits: Array) -> None:
        self._screen.add(points, merits)
        members = len(points)
        if self._round:
            self._p[:members] = (points - self._q[:members]) / STEP
        self._q[:members] = points
        better = np.flatnonzero(np.nan_to_num(merits, nan=-np.inf) > self._own_merit[:members])
        self._own_best[better] = points[better]
        self._own_merit[better] = merits[better]

    def _trajectories(self, member: int, rng: np.random.Generator) -> Array:
        """Where copies of a member may go, `(COPIES, dim)`."""
        shape = (COPIES, self.space.dim)
        q, p = self._q[member], self._p[member]
        best = self._own_best[int(np.argmax(self._own_merit))]
        own = self._own_best[member] if np.isfinite(self._own_merit[member]) else best
        spring_own, spring_all = rng.uniform(0.0, 2.0, (2, *shape))
        force = spring_own * (q - own) + spring_all * (q - best)
        momentum = (p - STEP * force) / (1.0 + FRICTION * STEP / self._round)
        return reflect(q + STEP * momentum + self._noise(shape, rng))

    def _elsewhere(self, rng: np.random.Generator) -> Array:
        """Points all over the cube, and near the best trials: no place is out of reach."""
        shape = (COPIES // 2, self.space.dim)
        best = self._screen.best_points(BEST_NEAR)
        near = best[rng.integers(len(best), size=shape[0])] + self._noise(shape, rng)
        return np.vstack([rng.random(shape), reflect(near)])

    def _best_of(self, proposals: Array, rng: np.random.Generator) -> Array:
        """The proposal of lowest potential, after a short descent around it."""
        top = proposals[int(np.argmax(self._screen.log_improvement(proposals)))]
        for scale in DESCENT:
            shape = (COPIES // 8, self.space.dim)
            around = top + scale * rng.standard_normal(shape) * (rng.random(shape) < 0.5)
            around = np.vstack([top[None, :], np.clip(around, 0.0, 1.0)])
            top = np.asarray(around[int(np.argmax(self._screen.log_improvement(around)))])
        self._screen.pend(top)
        return np.asarray(top)

    def _noise(self, shape: tuple[int, int], rng: np.random.Generator) -> Array:
        later = max(0, self._round - 1)
        size = NOISE_LAST + (NOISE_FIRST - NOISE_LAST) * NOISE_DECAY**later
        scale = size * np.exp(NOISE_SPREAD * rng.standard_normal((shape[0], 1)))
        switch = rng.random(shape) < rng.choice(KEEP_AXIS, size=(shape[0], 1))
        switch[np.arange(shape[0]), rng.integers(shape[1], size=shape[0])] = True
        return np.asarray(scale * switch * rng.standard_normal(shape))
