"""Points of the unit cube as a Gaussian process should see them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import DiscreteParameter, Space
from autofinetune.space.space import INACTIVE

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
ONE_HOT = 0.7  # two choices lie as far apart as two values 0.99 of a range apart
LENGTH = 2.0  # of a range, by which scores are expected to change, for four of them
CHOICE_LENGTH = 2.0  # the same of a choice's column, for four columns in all
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
        """How far one has to go for another score, before any is known; `(width,)`.

        Choices lie the further apart the more there are. With many ranges, however, long scales
        make the corners of the cube look promising that are farthest from all trials, and few
        trials cannot disprove it: the more ranges, the shorter.
        """
        ranges = max(2, int(self._is_range.sum()))
        of_choice = CHOICE_LENGTH * (max(2, self.width) / 4.0) ** 0.5
        return np.asarray(np.where(self._is_range, length * (4.0 / ranges) ** 0.5, of_choice))

    def active(self, points: Array) -> Mask:
        """Which parameters are active at points `(n, dim)`; shape `(n, dim)`."""
        active = np.ones(points.shape, dtype=bool)
        for place, parent, indices in self._conditions:  # parents come first
            cells = self._cells[parent]
            assert cells is not None
            has_one = np.isin(cells.find(points[:, parent]), indices)
            active[:, place] = active[:, parent] & has_one
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


class _Cells:
    """The cells of a discrete parameter, which may differ in width."""

    def __init__(self, parameter: DiscreteParameter) -> None:
        self.size = parameter.size
        self.middles = np.array([parameter.middle(index) for index in range(self.size)])
        self._edges = np.array([parameter.edge(index) for index in range(1, self.size)])

    def find(self, column: Array) -> NDArray[np.intp]:
        """The cell of each coordinate."""
        return np.searchsorted(self._edges, column, side="right")
