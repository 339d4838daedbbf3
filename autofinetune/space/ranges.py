"""Numbers between two bounds, continuous or in steps from the lower bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from .base import DiscreteParameter, Parameter, Value, exact, is_number, rounded
from .distributions import Uniform, into_unit, ratio

_FAR = 10**9  # from here on, logarithms of neighbours are too close to be subtracted


@dataclass(frozen=True)
class FloatParameter(Parameter):
    """A real number in [low, high], on a linear or a logarithmic scale."""

    name: str
    low: float
    high: float
    init: float
    log: bool = False
    type_name = "float"

    def decode(self, u: float) -> float:
        return min(max(rounded(self._uniform.quantile(u)), self.low), self.high)

    def encode(self, value: Value) -> float:
        if not is_number(value) or not self.low <= float(value) <= self.high:
            raise self._reject(value)
        return self._uniform.share(value)

    @cached_property
    def _uniform(self) -> Uniform:
        return Uniform(self.low, self.high, self.log)

    def describe(self) -> Mapping[str, object]:
        return _range_entry(self) | ({"log": True} if self.log else {})


@dataclass(frozen=True)
class SteppedFloatParameter(DiscreteParameter):
    """low, low + step, ... up to high, in exact decimal arithmetic (never 0.30000000000004)."""

    name: str
    low: float
    high: float
    init: float
    step: float
    type_name = "float"

    @property
    def size(self) -> int:
        return int((exact(self.high) - exact(self.low)) / exact(self.step)) + 1

    def at(self, index: int) -> float:
        return float(exact(self.low) + index * exact(self.step))

    def decode(self, u: float) -> float:
        return self.at(self.cell(u))

    def index(self, value: Value) -> int:
        if not is_number(value):
            raise self._reject(value)
        index = round((exact(value) - exact(self.low)) / exact(self.step))
        if not 0 <= index < self.size or self.at(index) != value:
            raise self._reject(value)
        return index

    def describe(self) -> Mapping[str, object]:
        return _range_entry(self) | {"step": self.step}


@dataclass(frozen=True)
class IntParameter(DiscreteParameter):
    """low, low + step, ... up to high; with `log`, cells have their widths on a log scale."""

    name: str
    low: int
    high: int
    init: int
    log: bool = False
    step: int = 1
    type_name = "int"

    @property
    def size(self) -> int:
        return (self.high - self.low) // self.step + 1

    def at(self, index: int) -> int:
        return self.low + index * self.step

    def index(self, value: Value) -> int:
        if not is_number(value) or value != int(value) or not self.low <= value <= self.high:
            raise self._reject(value)
        index, beside = divmod(int(value) - self.low, self.step)
        if beside:
            raise self._reject(value)
        return index

    def edge(self, index: int) -> float:
        if not self.log or index in (0, self.size):
            return super().edge(index)
        return ratio(self._log_above(index), self._log_above(self.size))

    def cell(self, u: float) -> int:
        if not self.log:
            return super().cell(u)
        distance = into_unit(u) * self._log_above(self.size)
        if self.high < _FAR:
            index = round(math.exp(math.log(self.low - 0.5) + distance)) - self.low
        else:
            index = round((self.low - 0.5) * math.expm1(distance) - 0.5)
        return min(max(index, 0), self.high - self.low)

    def decode(self, u: float) -> int:
        return self.at(self.cell(u))

    def middle(self, index: int) -> float:
        if not self.log:
            return super().middle(index)
        return ratio(self._log_above(index + 0.5), self._log_above(self.size))

    def _log_above(self, offset: float) -> float:
        """Return how far a number lies above the lower end of the first cell, on the log scale."""
        start = self.low - 0.5
        if self.high < _FAR:
            return math.log(start + offset) - math.log(start)
        return math.log1p(offset / start)

    def describe(self) -> Mapping[str, object]:
        extra: dict[str, object] = {"log": True} if self.log else {}
        return _range_entry(self) | extra | ({"step": self.step} if self.step != 1 else {})


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
