"""Continuous distributions by their quantiles: a uniform u in [0, 1] gives a draw."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

TAIL = 1e-6  # the probability cut off at each end of an unbounded distribution


class Distribution(ABC):
    """A continuous distribution of real numbers."""

    @property
    def ends(self) -> tuple[float, float]:
        """The outermost values."""
        return self.quantile(0.0), self.quantile(1.0)

    @abstractmethod
    def quantile(self, u: float) -> float:
        """Return the value with the share `u` in [0, 1] below it; 0 and 1 give the ends."""

    @abstractmethod
    def share(self, value: float) -> float:
        """Return the share of values below `value`, in [0, 1]."""

    @abstractmethod
    def describe(self) -> Mapping[str, object]:
        """Return the keys of a `param_list` entry that define the distribution."""


@dataclass(frozen=True)
class Uniform(Distribution):
    """The uniform or, with `log`, the log-uniform distribution between `low` and `high`."""

    low: float
    high: float
    log: bool = False

    def quantile(self, u: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high = math.log(low), math.log(high)
        u = into_unit(u)
        value = low * (1.0 - u) + high * u  # never overflows, unlike low + u * (high - low)
        return min(max(math.exp(value) if self.log else value, self.low), self.high)

    @property
    def ends(self) -> tuple[float, float]:
        return self.low, self.high

    def share(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        if self.log:
            span = math.log(self.high) - math.log(self.low)
            return ratio(math.log(value) - math.log(self.low), span)
        # Halved, since the width of a range may exceed the largest float.
        return ratio(value / 2 - self.low / 2, self.high / 2 - self.low / 2)

    def describe(self) -> Mapping[str, object]:
        bounds: dict[str, object] = {"lower_than": self.high, "greater_than": self.low}
        return bounds | ({"log": True} if self.log else {})


@dataclass(frozen=True)
class Normal(Distribution):
    """N(mean, deviation^2); with `log`, the logarithms have this distribution."""

    mean: float
    deviation: float
    log: bool = False

    def quantile(self, u: float) -> float:
        z = self._normal.inv_cdf(min(max(u, TAIL), 1.0 - TAIL))
        return math.exp(z) if self.log else z

    def share(self, value: float) -> float:
        if self.log:
            return self._normal.cdf(math.log(value)) if value > 0 else 0.0
        return self._normal.cdf(value)

    @cached_property
    def _normal(self) -> NormalDist:
        return NormalDist(self.mean, self.deviation)

    def describe(self) -> Mapping[str, object]:
        entry: dict[str, object] = {"distribution": "normal", "mean": self.mean}
        return entry | {"deviation": self.deviation} | ({"log": True} if self.log else {})


@dataclass(frozen=True)
class Beta(Distribution):
    """The beta distribution on [0, 1]."""

    a: float
    b: float

    def quantile(self, u: float) -> float:
        from scipy.special import betaincinv

        # For smaller u, which are never drawn, scipy may return NaN.
        return float(betaincinv(self.a, self.b, min(u, 1.0))) if u > 1e-100 else 0.0

    def share(self, value: float) -> float:
        from scipy.special import betainc

        return float(betainc(self.a, self.b, into_unit(value)))

    def describe(self) -> Mapping[str, object]:
        return {"distribution": "beta", "a": self.a, "b": self.b}


def into_unit(u: float) -> float:
    """Clip a number to [0, 1]."""
    return min(max(u, 0.0), 1.0)


def ratio(part: float, whole: float) -> float:
    """Return `part / whole`, clipped to [0, 1]; 0 if `whole` is 0."""
    return into_unit(part / whole) if whole else 0.0
