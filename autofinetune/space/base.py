"""One hyperparameter each: what values it has and where they lie in [0, 1].

`decode` and `encode` translate between a value and its coordinate in the unit interval, so that a
uniform coordinate is a draw from the parameter's distribution. Every discrete value owns a cell of
the interval; unless something else is said all cells are equally wide, the first and the last one
included.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias, TypeGuard

from autofinetune.visible import as_text as as_text

from .distributions import into_unit

_DIGITS = 12  # of a float: more than any training can tell apart, few enough to read

Value: TypeAlias = "float | int | str | bool | None"


@dataclass(frozen=True)
class Condition:
    """Active only while the choice `parent` is active and has one of its values `indices`."""

    parent: str
    indices: tuple[int, ...]

    def fits(self, size: int) -> bool:
        """Whether a choice of so many values has all that are named, and any is."""
        return bool(self.indices) and all(0 <= index < size for index in self.indices)


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """What it depends on, and where its value stands in what `Space.nest` gives to a trial."""

    condition: Condition | None = None
    path: tuple[str, ...] = ()


class Parameter(_Placed, ABC):
    """A named hyperparameter with an initial value, which may depend on a choice.

    `path` leads to the value in nested mappings; an empty one means the name.
    """

    name: str
    init: Value
    type_name: str

    @abstractmethod
    def decode(self, u: float) -> Value:
        """The value at coordinate `u`; anything outside [0, 1] counts as the nearer end."""

    @abstractmethod
    def encode(self, value: Value) -> float:
        """The coordinate in [0, 1] of `value`: the middle of its cell where it has one.

        Raises:
            ValueError: `value` is not one of this parameter's values.
        """

    def parse(self, text: str) -> Value:
        """The value that `as_text` wrote; raises ValueError for text of no value of ours."""
        number = float(text)
        value = int(number) if self.type_name == "int" and number.is_integer() else number
        self.encode(value)
        return value

    @property
    def size(self) -> int | None:
        """How many distinct values there are; None for a continuous parameter."""
        return None

    def values(self) -> list[Value]:
        """Every value in order; raises ValueError for a continuous parameter."""
        raise ValueError(f"{self.name} is continuous")

    def neighbours(self, u: float) -> list[float]:
        """The coordinates of the values beside the one at `u`.

        They are one step down and one up, all other choices where there is no order, and none for
        a continuous parameter. The work does not grow with the number of steps.
        """
        return []

    @abstractmethod
    def describe(self) -> Mapping[str, object]:
        """The entry of `param_list` that defines this parameter, but for condition and path."""

    def as_number(self, value: Value) -> float:
        """The value for a plot: itself, or its place among the choices."""
        assert isinstance(value, (int, float))
        return float(value)

    def given(self, value: Value) -> Any:
        """What a trial gets for `value` where it is not a word of a command line."""
        return value

    def _reject(self, value: object) -> ValueError:
        return ValueError(f"{value!r} is not a value of {self.name}: {dict(self.describe())}")


class DiscreteParameter(Parameter):
    """Its values are numbered from 0; value number i owns the cell from `edge(i)` on."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many distinct values there are."""

    @abstractmethod
    def at(self, index: int) -> Value:
        """Value number `index`, which is at least 0 and below `size`."""

    @abstractmethod
    def index(self, value: Value) -> int:
        """The number of `value`; raises ValueError where it has none."""

    def edge(self, index: int) -> float:
        """Where cell `index` begins and the one before it ends; `edge(size)` is 1."""
        return index / self.size

    def values(self) -> list[Value]:
        return [self.at(index) for index in range(self.size)]

    def neighbours(self, u: float) -> list[float]:
        here = self.cell(u)
        return [self.middle(index) for index in (here - 1, here + 1) if 0 <= index < self.size]

    def cell(self, u: float) -> int:
        """The number of the cell at coordinate `u`."""
        return min(int(into_unit(u) * self.size), self.size - 1)

    def decode(self, u: float) -> Value:
        return self.at(self.cell(u))

    def middle(self, index: int) -> float:
        """The coordinate that stands for value number `index`."""
        return (index + 0.5) / self.size

    def encode(self, value: Value) -> float:
        return self.middle(self.index(value))


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number that has a place among finite floats; True is none."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )


def rounded(number: float) -> float:
    """A float with as many digits as a value has."""
    return float(f"{number:.{_DIGITS}g}")


def exact(number: float) -> Decimal:
    """The decimal number that a person means who writes this float."""
    return Decimal(repr(float(number)))
