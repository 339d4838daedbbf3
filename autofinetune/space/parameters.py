"""One hyperparameter each: what values it has and where they lie in [0, 1].

`decode` and `encode` translate between a value and its coordinate in the unit interval. Every
discrete value owns a cell of the interval; with linear scale all cells are equally wide, so a
uniform coordinate makes every value equally likely, the first and the last one included.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias, TypeGuard

_DIGITS = 12  # of a float: more than any training can tell apart, few enough to read

Value: TypeAlias = "float | int | str | bool | None"


def as_text(value: Value) -> str:
    """A value as train.py reads it back exactly: repr of floats, True, False and None as words."""
    return value if isinstance(value, str) else repr(value)


@dataclass(frozen=True)
class Condition:
    """Active only while the choice `parent` is active and has its value number `index`."""

    parent: str
    index: int


class Parameter(ABC):
    """A named hyperparameter with an initial value, which may depend on a choice."""

    name: str
    init: Value
    type_name: str
    condition: Condition | None

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
    @abstractmethod
    def size(self) -> int | None:
        """How many distinct values there are; None for a continuous parameter."""

    def values(self) -> list[Value]:
        """Every value in order; raises ValueError for a continuous parameter."""
        raise ValueError(f"{self.name} is continuous")

    @abstractmethod
    def neighbours(self, u: float) -> list[float]:
        """The coordinates of the values beside the one at `u`.

        They are one step down and one up, all other choices where there is no order, and none for
        a continuous parameter. The work does not grow with the number of steps.
        """

    @abstractmethod
    def describe(self) -> Mapping[str, object]:
        """The entry of `param_list` that defines this parameter."""

    def as_number(self, value: Value) -> float:
        """The value for a plot: itself, or its place among the choices."""
        assert isinstance(value, (int, float))
        return float(value)

    def _reject(self, value: object) -> ValueError:
        return ValueError(f"{value!r} is not a value of {self.name}: {dict(self.describe())}")


@dataclass(frozen=True)
class FloatParameter(Parameter):
    """A real number in [low, high], on a linear or a logarithmic scale."""

    name: str
    low: float
    high: float
    init: float
    log: bool = False
    condition: Condition | None = None
    type_name = "float"

    @property
    def size(self) -> int | None:
        return None

    def decode(self, u: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high = math.log(low), math.log(high)
        u = _into_unit(u)
        inner = low * (1.0 - u) + high * u  # never overflows, unlike low + u * (high - low)
        value = float(f"{math.exp(inner) if self.log else inner:.{_DIGITS}g}")
        return min(max(value, self.low), self.high)

    def encode(self, value: Value) -> float:
        if not _is_number(value) or not self.low <= float(value) <= self.high:
            raise self._reject(value)
        if self.log:
            span = math.log(self.high) - math.log(self.low)
            return _ratio(math.log(value) - math.log(self.low), span)
        # Halved on both sides: the width of a range may exceed the largest float.
        return _ratio(value / 2 - self.low / 2, self.high / 2 - self.low / 2)

    def neighbours(self, u: float) -> list[float]:
        return []

    def describe(self) -> Mapping[str, object]:
        return _range_entry(self) | ({"log": True} if self.log else {})


@dataclass(frozen=True)
class SteppedFloatParameter(Parameter):
    """low, low + step, ... up to high, in exact decimal arithmetic (never 0.30000000000004)."""

    name: str
    low: float
    high: float
    init: float
    step: float
    condition: Condition | None = None
    type_name = "float"

    @property
    def size(self) -> int:
        return int((_exact(self.high) - _exact(self.low)) / _exact(self.step)) + 1

    def decode(self, u: float) -> float:
        return self._at(_cell(u, self.size))

    def values(self) -> list[Value]:
        return [self._at(index) for index in range(self.size)]

    def _at(self, index: int) -> float:
        return float(_exact(self.low) + index * _exact(self.step))

    def encode(self, value: Value) -> float:
        if not _is_number(value):
            raise self._reject(value)
        index = round((_exact(value) - _exact(self.low)) / _exact(self.step))
        if not 0 <= index < self.size or self._at(index) != value:
            raise self._reject(value)
        return (index + 0.5) / self.size

    def neighbours(self, u: float) -> list[float]:
        size = self.size
        here = _cell(u, size)
        return [(cell + 0.5) / size for cell in (here - 1, here + 1) if 0 <= cell < size]

    def describe(self) -> Mapping[str, object]:
        return _range_entry(self) | {"step": self.step}


@dataclass(frozen=True)
class IntParameter(Parameter):
    """low, low + step, ... up to high; with `log` the cells are as wide as on a log scale."""

    name: str
    low: int
    high: int
    init: int
    log: bool = False
    step: int = 1
    condition: Condition | None = None
    type_name = "int"

    @property
    def size(self) -> int:
        return (self.high - self.low) // self.step + 1

    def values(self) -> list[Value]:
        return list(range(self.low, self.high + 1, self.step))

    def decode(self, u: float) -> int:
        if not self.log:
            return self.low + _cell(u, self.size) * self.step
        low, high = self._log_bounds()
        return min(max(round(math.exp(low + _into_unit(u) * (high - low))), self.low), self.high)

    def encode(self, value: Value) -> float:
        if not _is_number(value) or value != int(value) or not self.low <= value <= self.high:
            raise self._reject(value)
        index, beside = divmod(int(value) - self.low, self.step)
        if beside:
            raise self._reject(value)
        if not self.log:
            return (index + 0.5) / self.size
        low, high = self._log_bounds()
        return _ratio(math.log(value) - low, high - low)

    def neighbours(self, u: float) -> list[float]:
        here = self.decode(u)
        beside = (here - self.step, here + self.step)
        return [self.encode(value) for value in beside if self.low <= value <= self.high]

    def _log_bounds(self) -> tuple[float, float]:
        return math.log(self.low - 0.5), math.log(self.high + 0.5)

    def describe(self) -> Mapping[str, object]:
        extra: dict[str, object] = {"log": True} if self.log else {}
        return _range_entry(self) | extra | ({"step": self.step} if self.step != 1 else {})


@dataclass(frozen=True)
class ChoiceParameter(Parameter):
    """One of a list of values without an order."""

    name: str
    choices: tuple[Value, ...]
    init: Value
    condition: Condition | None = None
    type_name = "choice"

    @property
    def size(self) -> int:
        return len(self.choices)

    def values(self) -> list[Value]:
        return list(self.choices)

    def decode(self, u: float) -> Value:
        return self.choices[_cell(u, self.size)]

    def encode(self, value: Value) -> float:
        return (self.index(value) + 0.5) / self.size

    def neighbours(self, u: float) -> list[float]:
        size = self.size
        here = _cell(u, size)
        return [(cell + 0.5) / size for cell in range(size) if cell != here]

    def as_number(self, value: Value) -> float:
        return float(self.index(value))

    def parse(self, text: str) -> Value:
        for choice in self.choices:
            if as_text(choice) == text:
                return choice
        raise self._reject(text)

    def index(self, value: Value) -> int:
        """The place of `value` among the choices; raises ValueError where it has none."""
        for index, choice in enumerate(self.choices):
            if choice == value and type(choice) is type(value):  # 1, 1.0 and True are three values
                return index
        raise self._reject(value)

    def describe(self) -> Mapping[str, object]:
        return {
            "name": self.name,
            "type": self.type_name,
            "choices": list(self.choices),
            "init_value": self.init,
        }


def _range_entry(
    parameter: FloatParameter | SteppedFloatParameter | IntParameter,
) -> dict[str, object]:
    return {
        "name": parameter.name,
        "type": parameter.type_name,
        "init_value": parameter.init,
        "lower_than": parameter.high,
        "greater_than": parameter.low,
    }


def _is_number(value: object) -> TypeGuard[int | float]:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max  # an int beyond it has no place among floats
    )


def _into_unit(u: float) -> float:
    return min(max(u, 0.0), 1.0)


def _ratio(part: float, whole: float) -> float:
    return _into_unit(part / whole) if whole else 0.0  # bounds too close to tell apart


def _cell(u: float, count: int) -> int:
    return min(int(_into_unit(u) * count), count - 1)


def _exact(number: float) -> Decimal:
    return Decimal(repr(float(number)))
