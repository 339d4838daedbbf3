"""Points of the unit cube as a Gaussian process should see them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Parameter, Space
from autofinetune.space.parameters import IntParameter
from autofinetune.space.space import INACTIVE

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
ONE_HOT = 0.7  # two choices lie as far apart as two values 0.99 of a range apart
_FEW_VALUES = 32  # an ordered parameter with more values is as good as continuous


class Features:
    """Maps points `(n, dim)` to features `(n, width)`.

    One of few values is seen in the middle of its cell, so that points which give the same
    configuration are one; a choice becomes one-hot, since its values have no order. A parameter
    that is not active is seen in the middle of all its values, wherever its coordinate is.

    Attributes:
        ordered: which parameters have an order, `(dim,)`; each of these is one feature.
        smooth: which of them may be moved by any small amount, `(dim,)`.
        columns: the first feature of each parameter, `(dim,)`.
        width: how many features there are.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        choices = [p.type_name == "choice" for p in space]
        self._sizes = [p.size or 0 for p in space]
        self._cells = [
            None if is_choice or not 0 < size <= _FEW_VALUES else _Cells(parameter)
            for parameter, is_choice, size in zip(space, choices, self._sizes, strict=True)
        ]
        places = {parameter.name: place for place, parameter in enumerate(space)}
        self._conditions = [
            (place, places[parameter.condition.parent], parameter.condition.index)
            for place, parameter in enumerate(space)
            if parameter.condition
        ]
        self.ordered: Mask = ~np.array(choices)
        self.smooth: Mask = self.ordered & np.array([cells is None for cells in self._cells])
        widths = np.where(self.ordered, 1, self._sizes)
        self.columns = np.cumsum(widths) - widths
        self.width = int(widths.sum())

    def __call__(self, points: Array) -> Array:
        found: list[Array] = []
        for index, cells in enumerate(self._cells):
            column = points[:, index]
            if not self.ordered[index]:
                found.append(ONE_HOT * np.eye(self._sizes[index])[self._choice(index, column)])
            elif cells is None:
                found.append(column[:, None])
            else:
                found.append(cells.middles[cells.find(column)][:, None])
        if self._conditions:
            active = self.active(points)
            for place, _, _ in self._conditions:
                neutral = INACTIVE if self.ordered[place] else ONE_HOT / self._sizes[place]
                found[place] = np.where(active[:, place, None], found[place], neutral)
        return np.hstack(found)

    def active(self, points: Array) -> Mask:
        """Which parameters are active at points `(n, dim)`; shape `(n, dim)`."""
        active = np.ones(points.shape, dtype=bool)
        for place, parent, index in self._conditions:  # parents come first
            is_chosen = self._choice(parent, points[:, parent]) == index
            active[:, place] = active[:, parent] & is_chosen
        return active

    def settled(self, points: Array) -> Array:
        """Points `(n, dim)` with the neutral coordinate for all that is not active."""
        return np.where(self.active(points), points, INACTIVE) if self._conditions else points

    def neighbours(self, point: Array) -> Array:
        """Points that differ in one choice, or by one step of one of few values, `(n, dim)`."""
        found = []
        active = self.active(point[None, :])[0]
        for index, parameter in enumerate(self._space):
            if self.smooth[index] or not active[index]:
                continue
            for value in parameter.neighbours(float(point[index])):
                found.append(point.copy())
                found[-1][index] = value
        return np.array(found).reshape(-1, len(point))

    def _choice(self, index: int, column: Array) -> NDArray[np.int64]:
        size = self._sizes[index]
        return np.minimum((column * size).astype(np.int64), size - 1)


class _Cells:
    """The cells of a parameter of few values; on a logarithmic scale they differ in width."""

    def __init__(self, parameter: Parameter) -> None:
        self.middles = np.array([parameter.encode(value) for value in parameter.values()])
        size = len(self.middles)
        self._edges = np.arange(1, size) / size
        if isinstance(parameter, IntParameter) and parameter.log:
            # The coordinate is the logarithm between low - 1/2 and high + 1/2; see `decode`.
            ends = np.log(np.arange(parameter.low, parameter.high + 2) - 0.5)
            self._edges = (ends[1:-1] - ends[0]) / (ends[-1] - ends[0])

    def find(self, column: Array) -> NDArray[np.intp]:
        """The cell of each coordinate."""
        return np.searchsorted(self._edges, column, side="right")
