"""Rules that derive the bounds of a filter from how a statistic spreads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autofinetune.errors import UsageError

from .spread import Spread

# 1.4826 MAD estimates the standard deviation of a normal distribution.
_MAD_TO_STD = 1.4826
_NO_SUMMARY = "needs the statistics of each sample: give a *_stats.jsonl"


class Unusable(Exception):
    """Why no bounds can be derived."""


@dataclass(frozen=True)
class Rule:
    """A rule: its bounds for a spread and a factor `k`, which is `k` by default.

    `text` tells what the bounds are, and `bounds` raises Unusable where there are none.
    """

    name: str
    k: float
    text: str
    bounds: Callable[[Spread, float], tuple[float, float]]

    def checked(self, k: float | None) -> float:
        """Return the factor; raise UsageError if the rule cannot use it."""
        if k is None:
            return self.k
        if not (math.isfinite(k) and k > 0):
            raise UsageError(f"-k={k:g} must be a number above 0", f"the default is {self.k:g}")
        if self.name == "quantile" and k >= 0.5:
            tip = "for example -k 0.01 cuts 1 % at each end"
            raise UsageError(f"-k={k:g} must be below 0.5 with --rule=quantile", tip)
        return k


def _sigma(spread: Spread, k: float) -> tuple[float, float]:
    mean, std = spread.mean, spread.std
    if mean is None or std is None or not math.isfinite(mean) or not math.isfinite(std):
        raise Unusable("its mean or standard deviation is not known")
    return mean - k * std, mean + k * std


def _mad(spread: Spread, k: float) -> tuple[float, float]:
    middle, mad = spread.quantile(0.5), spread.mad
    if mad is None or middle is None:
        raise Unusable(f"--rule=mad {_NO_SUMMARY}")
    if mad == 0:
        raise Unusable("more than half of the samples are equal, so its MAD is 0")
    return middle - k * _MAD_TO_STD * mad, middle + k * _MAD_TO_STD * mad


def _iqr(spread: Spread, k: float) -> tuple[float, float]:
    first, third = spread.quantile(0.25), spread.quantile(0.75)
    if first is None or third is None:
        raise Unusable("its quartiles are not known")
    if first == third:
        raise Unusable("half of the samples are equal, so its IQR is 0")
    return first - k * (third - first), third + k * (third - first)


def _quantile(spread: Spread, k: float) -> tuple[float, float]:
    low, high = spread.quantile(k), spread.quantile(1 - k)
    if low is None or high is None:
        raise Unusable(f"--rule=quantile {_NO_SUMMARY}")
    return low, high


RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("sigma", 3.0, "mean -+ k standard deviations", _sigma),
        Rule("mad", 3.0, "median -+ k * 1.4826 median absolute deviations", _mad),
        Rule("iqr", 1.5, "first quartile - k IQR, third quartile + k IQR", _iqr),
        Rule("quantile", 0.005, "the quantiles k and 1 - k", _quantile),
    )
}
