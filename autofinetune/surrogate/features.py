"""Features of points in the unit cube for a Gaussian process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import DiscreteParameter, Space
from autofinetune.space.space import INACTIVE

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
ONE_HOT = 0.7  # so that two choices have the distance of two values 0.99 of a range apart
LENGTH = 2.0  # expected length scale of a range, if there are four ranges
CHOICE_LENGTH = 2.0  # expected length scale of a choice's column, for four columns in all
_FEW_VALUES = 32  # an ordered parameter with more values is treated as continuous


class Features:
    """Maps points `(n, dim)` to features `(n, width)`.

    A parameter with few values is represented by the middle of its cell, so that all points of a
    configuration are equal; a choice is one-hot, since its values have no order. An inactive
    parameter is represented by the middle of all its values, whatever its coordinate is.

    Attributes:
        ordered: which parameters have ordered values, `(dim,)`; each of these is one feature.
        smooth: which of them may be moved by any small amount, `(dim,)`.
        columns: the first feature of each parameter, `(dim,)`.
        width: the number of features.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        choices = [p.type_name == "choice" for p in space]
        self._cells = [
            _Cells(parameter)
            if isinstance(parameter, DiscreteParameter)
            and (is_choice or parameter.size <= _FEW_VALUES)
            else None
            for parameter, is_choice in zip(space, choices, strict=True)
        ]
        places = {parameter.name: place for place, parameter in enumerate(space)}
        self._conditions = [
            (place, places[parameter.condition.parent], [*parameter.condition.indices])
            for place, parameter in enumerate(space)
            if parameter.condition
        ]
        self.ordered: Mask = ~np.array(choices)
        self.smooth: Mask = self.ordered & np.array([cells is None for cells in self._cells])
        widths = np.array([cells.size if cells else 1 for cells in self._cells])
        widths[self.ordered] = 1
        self.columns = np.cumsum(widths) - widths
        self.width = int(widths.sum())
        self._is_range = np.zeros(self.width, dtype=bool)
        self._is_range[self.columns[self.ordered]] = True

    def __call__(self, points: Array) -> Array:
        found: list[Array] = []
        for index, cells in enumerate(self._cells):
            column = points[:, index]
            if cells is None:
                found.append(column[:, None])
            elif self.ordered[index]:
                found.append(cells.middles[cells.find(column)][:, None])
            else:
                found.append(np.zeros((len(column), cells.size)))
                found[-1][np.arange(len(column)), cells.find(column)] = ONE_HOT
        if self._conditions:
            active = self.active(points)
            for place, _, _ in self._conditions:
                neutral = INACTIVE if self.ordered[place] else ONE_HOT / found[place].shape[1]
                found[place] = np.where(active[:, place, None], found[place], neutral)
        return np.hstack(found)

    def lengths(self, length: float = LENGTH) -> Array:
        """Return the prior length scales of the features, `(width,)`.

        The more columns there are, the longer the scales of choices. Those of ranges become
        shorter with their number: long scales make the corners of the cube that are farthest from
        all trials look promising, and few trials cannot disprove it.
        """
        ranges = max(2, int(self._is_range.sum()))
        of_choice = CHOICE_LENGTH * (max(2, self.width) / 4.0) ** 0.5
        return np.asarray(np.where(self._is_range, length * (4.0 / ranges) ** 0.5, of_choice))

    def active(self, points: Array) -> Mask:
        """Return which parameters are active at points `(n, dim)`; shape `(n, dim)`."""
        active = np.ones(points.shape, dtype=bool)
        for place, parent, indices in self._conditions:  # parents come first
            cells = self._cells[parent]
            assert cells is not None
            has_one = np.isin(cells.find(points[:, parent]), indices)
            active[:, place] = active[:, parent] & has_one
        return active

    def settled(self, points: Array) -> Array:
        """Return points `(n, dim)` with the neutral coordinate for all inactive parameters."""
        return np.where(self.active(points), points, INACTIVE) if self._conditions else points

    def neighbours(self, point: Array) -> Array:
        """Return points `(n, dim)` that differ in one choice or by one step of few values."""
        found = []
        active = self.active(point[None, :])[0]
        for index, parameter in enumerate(self._space):
            if self.smooth[index] or not active[index]:
                continue
            for value in parameter.neighbours(float(point[index])):
                found.append(point.copy())
                found[-1][index] = value
        return np.array(found).reshape(-1, len(point))


class _Cells:
    """The cells of a discrete parameter, which may differ in width."""

    def __init__(self, parameter: DiscreteParameter) -> None:
        self.size = parameter.size
        self.middles = np.array([parameter.middle(index) for index in range(self.size)])
        self._edges = np.array([parameter.edge(index) for index in range(1, self.size)])

    def find(self, column: Array) -> NDArray[np.intp]:
        """Return the cell of each coordinate."""
        return np.searchsorted(self._edges, column, side="right")
