"""Points of the unit cube as a Gaussian process should see them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Space

Array = NDArray[np.float64]
_ONE_HOT = 0.7  # two choices lie as far apart as two values 0.99 of a range apart


class Features:
    """Maps points `(n, dim)` to features `(n, width)`.

    A discrete value is seen in the middle of its cell, so that points which give the same
    configuration are one; a choice becomes one-hot, since its values have no order.
    """

    def __init__(self, space: Space) -> None:
        self._is_choice = np.array([p.type_name == "choice" for p in space])
        self._sizes = [p.size for p in space]
        self._has_cells = [not getattr(p, "log", False) for p in space]
        self._space = space

    def __call__(self, points: Array) -> Array:
        columns: list[Array] = []
        for index, size in enumerate(self._sizes):
            column = points[:, index]
            if size is None:
                columns.append(column[:, None])
                continue
            cells = np.minimum((column * size).astype(np.int64), size - 1)
            if self._is_choice[index]:
                columns.append(_ONE_HOT * np.eye(size)[cells])
            elif self._has_cells[index]:
                columns.append(((cells + 0.5) / size)[:, None])
            else:  # the cells of a logarithmic integer differ in width
                columns.append(self._middles(index, column)[:, None])
        return np.hstack(columns)

    def _middles(self, index: int, column: Array) -> Array:
        parameter = self._space.parameters[index]
        return np.array([parameter.encode(parameter.decode(float(u))) for u in column])
