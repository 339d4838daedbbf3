"""The base classes of hyperparameters, which map their values to [0, 1].

`decode` and `encode` translate between a value and its coordinate in the unit interval, so that a
uniform coordinate gives a draw from the parameter's distribution. Every discrete value has a cell
of the interval; by default all cells, including the first and the last, are equally wide.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias, TypeGuard

from .distributions import into_unit

_DIGITS = 12  # of a float: more than any training can distinguish, few enough to read

Value: TypeAlias = "float | int | str | bool | None"


def as_text(value: Any) -> str:
    """Return a value as train.py reads it back exactly: a word itself, or a Python literal."""
    return value if isinstance(value, str) else repr(value)


@dataclass(frozen=True)
class Condition:
    """Active only if the choice `parent` is active and has one of the values number `indices`."""

    parent: str
    indices: tuple[int, ...]

    def fits(self, size: int) -> bool:
        """Return whether there are `indices`, all valid for a choice of `size` values."""
        return bool(self.indices) and all(0 <= index < size for index in self.indices)


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """The condition of a parameter, and the path of its value in the result of `Space.nest`.

    An empty path means the name.
    """

    condition: Condition | None = None
    path: tuple[str, ...] = ()


class Parameter(_Placed, ABC):
    """A named hyperparameter with an initial value; it may depend on a choice."""

    name: str
    init: Value
    type_name: str

    @abstractmethod
    def decode(self, u: float) -> Value:
        """Return the value at coordinate `u`, which is clipped to [0, 1]."""

    @abstractmethod
    def encode(self, value: Value) -> float:
        """Return the coordinate of `value` in [0, 1]: the middle of its cell if it has one.

        Raise ValueError if it is not one of this parameter's values.
        """

    def parse(self, text: str) -> Value:
        """Return the value that `as_text` wrote as `text`; raise ValueError for any other text."""
        number = float(text)
        value = int(number) if self.type_name == "int" and number.is_integer() else number
        self.encode(value)
        return value

    @property
    def size(self) -> int | None:
        """The number of distinct values; None for a continuous parameter."""
        return None

    def values(self) -> list[Value]:
        """Return all values in order; raise ValueError if the parameter is continuous."""
        raise ValueError(f"{self.name} is continuous")

    def neighbours(self, u: float) -> list[float]:
        """Return the coordinates of the next lower and higher value, in constant time.

        These are all other values if they have no order, and none for a continuous parameter.
        """
        return []

    @abstractmethod
    def describe(self) -> Mapping[str, object]:
        """Return the entry of `param_list` for this parameter, without condition and path."""

    def as_number(self, value: Value) -> float:
        """Return the value for a plot: itself, or its index among the choices."""
        assert isinstance(value, (int, float))
        return float(value)

    def given(self, value: Value) -> Any:
        """Return the form of `value` that a trial gets other than on its command line."""
        return value

    def _reject(self, value: object) -> ValueError:
        return ValueError(f"{value!r} is not a value of {self.name}: {dict(self.describe())}")


class DiscreteParameter(Parameter):
    """A parameter with values numbered from 0; the cell of value i begins at `edge(i)`."""

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of distinct values."""

    @abstractmethod
    def at(self, index: int) -> Value:
        """Return value number `index`, which must be at least 0 and below `size`."""

    @abstractmethod
    def index(self, value: Value) -> int:
        """Return the number of `value`; raise ValueError if it is none of the values."""

    def edge(self, index: int) -> float:
        """Return where cell `index` begins and the one before it ends; `edge(size)` is 1."""
        return index / self.size

    def values(self) -> list[Value]:
        return [self.at(index) for index in range(self.size)]

    def neighbours(self, u: float) -> list[float]:
        here = self.cell(u)
        return [self.middle(index) for index in (here - 1, here + 1) if 0 <= index < self.size]

    def cell(self, u: float) -> int:
        """Return the number of the cell at coordinate `u`."""
        return min(int(into_unit(u) * self.size), self.size - 1)

    def decode(self, u: float) -> Value:
        return self.at(self.cell(u))

    def middle(self, index: int) -> float:
        """Return the coordinate that stands for value number `index`."""
        return (index + 0.5) / self.size

    def encode(self, value: Value) -> float:
        return self.middle(self.index(value))


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether `value` is a number within the range of finite floats; booleans are not."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )


def rounded(number: float) -> float:
    """Round a float to the number of digits that values have."""
    return float(f"{number:.{_DIGITS}g}")


def exact(number: float) -> Decimal:
    """Return the decimal number that a user means by this float."""
    return Decimal(repr(float(number)))
