"""PSHE2: members with momentum in a potential, damped, with a random perturbation.

PaddleHub describes it as a Hamiltonian system that searches the point of lowest potential energy,
each member led by its own history and the population's best under some random perturbation. No
paper is known. Here member i has a position q_i in the unit cube (in units of half its width, so
from -1 to 1 in the equations of the original), a momentum p_i, its best position b_i and the
population's best g. Round t = 1, 2, ... is one step of size a of the damped system

    dq/dt = p,    dp/dt = -grad U_i(q) - (3 / t) p,
    U_i(q) = 1/2 (r1 |q - b_i|^2 + r2 |q - g|^2),

with the friction of Nesterov's differential equation (Su, Boyd, Candes, JMLR 17(153), 2016) taken
implicitly, which keeps the factor of p within (0, 1):

    F_i  = r1 * (q_i - b_i) + r2 * (q_i - g)        r1, r2 ~ U(0, 2) for each coordinate
    p_i <- (p_i - a F_i) / (1 + 3 a / t)
    q_i <- reflect(q_i + a p_i + e_t s k * n)       n ~ N(0, 1), ln s ~ N(0, 0.8^2)
    e_t  = e_last + (e_first - e_last) * c^(t - 1)

k switches single coordinates off, so that some moves are along few axes. `reflect` mirrors at
the bounds, and turns the momentum of that coordinate. A member whose trial failed learns nothing
from it and is pulled back by its own and the population's best; before any trial succeeded the
members stay where chance puts them.
"""

from __future__ import annotations

import numpy as np

from autofinetune.space import Space

from .rounds import Array, RoundStrategy

STEP = 0.5  # a
FRICTION = 3.0
NOISE_FIRST, NOISE_LAST, NOISE_DECAY = 0.175, 0.025, 0.85  # e_t, in units of the whole range
NOISE_SPREAD = 0.8
KEEP_AXIS = (1.0, 0.5, 0.25)  # each member draws one: how likely a coordinate is perturbed


class PSHE2(RoundStrategy):
    """Damped Hamiltonian moves with perturbation; see the module docstring."""

    def __init__(self, space: Space, popsize: int, seed: int, allow_repeats: bool = False) -> None:
        super().__init__(space, popsize, seed, allow_repeats)
        shape = (popsize, space.dim)
        self._q = np.full(shape, 0.5)
        self._p = np.zeros(shape)
        self._own_best = np.full(shape, 0.5)
        self._own_merit = np.full(popsize, -np.inf)

    def _first_points(self, rng: np.random.Generator) -> Array:
        """A Latin hypercube: each coordinate is spread evenly over the members."""
        shape = (self.popsize, self.space.dim)
        cells = rng.permuted(np.tile(np.arange(self.popsize)[:, None], shape[1]), axis=0)
        return np.asarray((cells + rng.random(shape)) / self.popsize)

    def _learn(self, points: Array, merits: Array) -> None:
        members = len(points)
        self._q[:members] = points
        better = np.flatnonzero(np.nan_to_num(merits, nan=-np.inf) > self._own_merit[:members])
        self._own_best[better] = points[better]
        self._own_merit[better] = merits[better]

    def _next_points(self, rng: np.random.Generator) -> Array:
        pull = np.zeros_like(self._q)
        spring_own, spring_all = rng.uniform(0.0, 2.0, (2, *self._q.shape))
        known = np.isfinite(self._own_merit)
        if known.any():
            best = self._own_best[int(np.argmax(self._own_merit))]
            own = np.where(known[:, None], self._own_best, best)
            pull = spring_own * (self._q - own) + spring_all * (self._q - best)
        self._p = (self._p - STEP * pull) / (1.0 + FRICTION * STEP / self._round)
        self._q, self._p = reflect(self._q + STEP * self._p + self._noise(rng), self._p)
        return self._q.copy()

    def _noise(self, rng: np.random.Generator) -> Array:
        size = NOISE_LAST + (NOISE_FIRST - NOISE_LAST) * NOISE_DECAY ** (self._round - 1)
        scale = size * np.exp(NOISE_SPREAD * rng.standard_normal((self.popsize, 1)))
        keep = rng.choice(KEEP_AXIS, size=(self.popsize, 1))
        switch = rng.random(self._q.shape) < keep
        switch[np.arange(self.popsize), rng.integers(self.space.dim, size=self.popsize)] = True
        return np.asarray(scale * switch * rng.standard_normal(self._q.shape))


def reflect(q: Array, p: Array) -> tuple[Array, Array]:
    """Mirror positions into [0, 1]; an odd number of walls met turns the momentum.

    Args:
        q: positions of any shape, any finite values.
        p: momenta of the same shape.
    """
    folded = np.mod(q, 2.0)
    inside = np.where(folded > 1.0, 2.0 - folded, folded)
    return inside, np.where(np.floor(q).astype(np.int64) % 2 == 0, p, -p)
