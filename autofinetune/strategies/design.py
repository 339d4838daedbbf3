"""Space-filling designs for the first trials of a search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Design:
    """Low-discrepancy points for at least the first `trials` candidates.

    Their number is rounded up to whole rounds of `popsize`; it is 0 if `trials` is 0. The points
    follow the additive recurrence u_i = (shift + i a) mod 1 with a_j = g^-(j+1), where g is the
    positive root of g^(dim + 1) = g + 1 (Roberts, "The Unreasonable Effectiveness of Quasirandom
    Sequences", 2018), with a random shift. Any contiguous part of them is spread evenly.
    """

    def __init__(self, dim: int, popsize: int, seed: int, trials: int) -> None:
        self._count = -(-trials // popsize) * popsize
        root = 2.0
        for _ in range(64):  # a contraction: converges to the last bit
            root = (1.0 + root) ** (1.0 / (dim + 1.0))
        self._steps = root ** -np.arange(1.0, dim + 1.0)
        self._shift = np.random.default_rng([seed, 2**32]).random(dim)

    def covers(self, number: int) -> bool:
        """Return whether the candidate of this number comes from the design."""
        return number < self._count

    def point(self, number: int) -> Array:
        """Return point number `number` of the infinite sequence, shape `(dim,)`."""
        return np.asarray((self._shift + number * self._steps) % 1.0)


def reflect(q: Array) -> Array:
    """Mirror positions of any shape and size into [0, 1]."""
    folded = np.mod(q, 2.0)
    return np.where(folded > 1.0, 2.0 - folded, folded)
