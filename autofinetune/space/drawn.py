"""Hyperparameters drawn from a distribution, and those rounded to multiples of a quantum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from .base import DiscreteParameter, Parameter, Value, exact, is_number, rounded
from .distributions import Distribution, Uniform


@dataclass(frozen=True)
class DrawnParameter(Parameter):
    """A real number drawn from a distribution."""

    name: str
    distribution: Distribution
    init: float
    type_name = "float"

    def decode(self, u: float) -> float:
        return rounded(self.distribution.quantile(u))

    def encode(self, value: Value) -> float:
        """Return the coordinate; values beyond those of `decode` get that of the nearer end."""
        if not is_number(value):
            raise self._reject(value)
        return self.distribution.share(value)

    def describe(self) -> Mapping[str, object]:
        return {**_entry(self), **self.distribution.describe()}


@dataclass(frozen=True)
class QuantizedParameter(DiscreteParameter):
    """round(x / quantum) * quantum of an x from a distribution; halves go to the even multiple.

    The multiples are anchored at 0. With `clip`, multiples beyond the outermost x, by up to half a
    quantum, are replaced by that x. The cells at the ends are narrower than the others, as their
    values are drawn less often. Values are exact decimals (never 0.30000000000000004), or whole
    numbers with the `type_name` int.
    """

    name: str
    distribution: Distribution
    quantum: float
    clip: bool
    init: float | int
    type_name: str = "float"

    @property
    def size(self) -> int:
        return self._last - self._first + 1

    @cached_property
    def _first(self) -> int:
        """The number of the lowest multiple that has a cell."""
        return math.floor(exact(self._ends[0]) / self._exact - exact(0.5)) + 1

    @cached_property
    def _last(self) -> int:
        last = math.ceil(exact(self._ends[1]) / self._exact + exact(0.5)) - 1
        return max(last, self._first)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        return self.distribution.ends

    @cached_property
    def _exact(self) -> Decimal:
        return exact(self.quantum)

    def at(self, index: int) -> float | int:
        value = float((self._first + index) * self._exact)
        if self.clip:
            value = min(max(value, self._ends[0]), self._ends[1])
        return int(value) if self.type_name == "int" else value

    def index(self, value: Value) -> int:
        if not is_number(value):
            raise self._reject(value)
        index = self._number(value)
        if self.at(index) != value:
            raise self._reject(value)
        return index

    def edge(self, index: int) -> float:
        if index in (0, self.size):
            return super().edge(index)
        return self.distribution.share((self._first + index - 0.5) * self.quantum)

    def cell(self, u: float) -> int:
        return self._number(self.distribution.quantile(u))

    def decode(self, u: float) -> float | int:
        return self.at(self.cell(u))

    def middle(self, index: int) -> float:
        return (self.edge(index) + self.edge(index + 1)) / 2

    def _number(self, value: float) -> int:
        multiple = round(value / self.quantum)
        return min(max(multiple, self._first), self._last) - self._first

    def describe(self) -> Mapping[str, object]:
        whole = self.type_name == "int"
        quantum: dict[str, object] = {"round_to": int(self.quantum) if whole else self.quantum}
        is_open = isinstance(self.distribution, Uniform) and not self.clip
        clip: dict[str, object] = {"clip": False} if is_open else {}
        return {**_entry(self), **self.distribution.describe(), **quantum, **clip}


def _entry(parameter: DrawnParameter | QuantizedParameter) -> dict[str, object]:
    return {
        "name": parameter.name,
        "type": parameter.type_name,
        "init_value": parameter.init,
    }
