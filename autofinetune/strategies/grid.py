"""Grid search: all combinations, on an ever finer grid for continuous parameters.

A choice or a whole number has all its values from the start. Any other parameter starts with the
middle of its range (in the unit interval), and whenever all combinations were asked, every
interval between its points is halved. A new point with the same value as the one beside it is
left out, and the search ends when no interval holds another value. The last parameter varies
fastest, and inactive parameters are left out. The order is that of NNI's grid search (since 2.7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np

from autofinetune.space import Parameter, Space, Value
from autofinetune.space.space import INACTIVE

from .base import Candidate, Exhausted
from .options import OPTIMIZE_MODE, Option
from .turns import Turns

_NARROWEST = 2.0**-40  # least width of an interval, as values are rounded to twelve digits


class GridSearch(Turns):
    """All combinations in order; see the module docstring."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "grid_points": Option(
            0, "evenly spaced values of a continuous parameter, then it ends; 0: ever more", 0
        ),
    }
    begins_with_init = False

    def _set_up(self) -> None:
        super()._set_up()
        self._points = combinations(self.space, self.options["grid_points"])

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        for point in self._points:
            if not self._is_seen(point):
                return point
        raise Exhausted

    def _learn(self, candidate: Candidate, merit: float) -> None:
        pass


def combinations(space: Space, grid_points: int = 0) -> Iterator[tuple[float, ...]]:
    """Yield points `(dim,)` in order; a continuous parameter has `grid_points` values.

    With 0 of them, the grid becomes ever finer, without end.
    """
    axes = [_Axis(parameter, grid_points) for parameter in space]
    while any(axis.has_news for axis in axes):
        yield from _vectors(space, axes)
        while _refine(axes) and not any(axis.has_news for axis in axes):
            pass  # an interval may have to be halved several times to give a new value


def _refine(axes: Sequence[_Axis]) -> bool:
    return any(list(map(_Axis.refine, axes)))


def _vectors(
    space: Space,
    axes: Sequence[_Axis],
    point: tuple[float, ...] = (),
    params: Mapping[str, Value] | None = None,
    is_new: bool = False,
) -> Iterator[tuple[float, ...]]:
    """Yield all combinations that begin with `point` and have a new value."""
    params = params or {}
    place = len(point)
    if place == space.dim:
        if is_new:
            yield point
        return
    parameter, axis = space.parameters[place], axes[place]
    if not space.is_active(parameter, params):
        yield from _vectors(space, axes, (*point, INACTIVE), params, is_new)
        return
    for number, u in enumerate(axis.points):
        chosen = {**params, parameter.name: parameter.decode(u)}
        yield from _vectors(space, axes, (*point, u), chosen, is_new or number >= axis.old)


class _Axis:
    """The points of one parameter in order of appearance, and the intervals to halve."""

    def __init__(self, parameter: Parameter, grid_points: int) -> None:
        self._parameter = parameter
        self.old = 0  # how many of the points are not new
        self._intervals: list[tuple[float, float]] = []
        self.points = [0.5]
        if parameter.type_name in ("choice", "int"):
            self.points = [parameter.encode(value) for value in parameter.values()]
        elif grid_points:
            values = parameter.values() if parameter.size else None
            even = np.linspace(0.0, 1.0, grid_points) if grid_points > 1 else np.array([0.5])
            self.points = [parameter.encode(v) for v in values] if values else even.tolist()
        else:
            self._intervals = [(0.0, 0.5), (0.5, 1.0)]

    @property
    def has_news(self) -> bool:
        return self.old < len(self.points)

    def refine(self) -> bool:
        """Halve all intervals; return whether one gave a new value or may hold more."""
        self.old = len(self.points)
        halves: list[tuple[float, float]] = []
        for low, high in self._intervals:
            middle = (low + high) / 2
            left, right = self._differ(low, middle), self._differ(middle, high)
            # 0 and 1 are not points themselves, so their values are new.
            if (left or low == 0.0) and (right or high == 1.0):
                self.points.append(middle)
            halves += [(low, middle)] * left + [(middle, high)] * right
        size = self._parameter.size
        is_complete = size is not None and len(self.points) >= size
        is_fine = any(high - low < _NARROWEST for low, high in halves)
        self._intervals = [] if is_complete or is_fine else halves
        return self.has_news or bool(self._intervals)

    def _differ(self, low: float, high: float) -> bool:
        return self._parameter.decode(low) != self._parameter.decode(high)
