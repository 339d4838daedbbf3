"""The first trials of a search: spread evenly over the whole cube."""

from __future__ import annotations

import numpy as np

from .rounds import Array


class Design:
    """Low-discrepancy points for the first rounds: at least `trials` and at least dim + 3,
    or none with `trials` 0.

    The additive recurrence u_i = (shift + i a) mod 1 with a_j = g^-(j+1), where g is the positive
    root of g^(dim + 1) = g + 1 (Roberts, "The Unreasonable Effectiveness of Quasirandom
    Sequences", 2018), with a random shift. Any part of it is spread evenly.
    """

    def __init__(self, dim: int, popsize: int, seed: int, trials: int) -> None:
        self._popsize = popsize
        self._rounds = -(-max(trials, dim + 3) // popsize) if trials else 0
        root = 2.0
        for _ in range(64):  # a contraction: converges to the last bit
            root = (1.0 + root) ** (1.0 / (dim + 1.0))
        self._steps = root ** -np.arange(1.0, dim + 1.0)
        self._shift = np.random.default_rng([seed, 2**32]).random(dim)

    def covers(self, round_: int) -> bool:
        """Whether the candidates of this round come from the design."""
        return round_ < self._rounds

    def points(self, round_: int) -> Array:
        """The points of a round, shape `(popsize, dim)`."""
        numbers = np.arange(round_ * self._popsize, (round_ + 1) * self._popsize)
        return np.asarray((self._shift + numbers[:, None] * self._steps) % 1.0)


def reflect(q: Array) -> Array:
    """Positions of any shape and size, mirrored into [0, 1]."""
    folded = np.mod(q, 2.0)
    return np.where(folded > 1.0, 2.0 - folded, folded)
