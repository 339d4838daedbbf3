"""How the values of a statistic spread, and how they decide which samples pass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.float64]"
Flags: TypeAlias = "npt.NDArray[np.bool_]"
ANY, ALL = "any", "all"


class Spread(Protocol):
    """How a statistic spreads: `count` values, and what share of the samples have none.

    Each of `mean`, `std` (of a sample, with n-1), `quantile` and `mad` (median of the absolute
    deviations from the median) is None if it is not known.
    """

    @property
    def count(self) -> int: ...

    @property
    def missing(self) -> float: ...

    @property
    def mean(self) -> float | None: ...

    @property
    def std(self) -> float | None: ...

    @property
    def mad(self) -> float | None: ...

    def quantile(self, share: float) -> float | None: ...


@dataclass(frozen=True)
class Sample:
    """The spread of known values, which are finite; `missing` is a share of all samples."""

    values: Floats
    missing: float = 0.0

    @property
    def count(self) -> int:
        return len(self.values)

    @cached_property
    def mean(self) -> float | None:
        return float(np.mean(self.values)) if self.count else None

    @cached_property
    def std(self) -> float | None:
        if self.count < 2:
            return None
        # A mean that is rounded would make equal values differ.
        is_constant = self.values.min() == self.values.max()
        return 0.0 if is_constant else float(np.std(self.values, ddof=1))

    @cached_property
    def mad(self) -> float | None:
        if not self.count:
            return None
        return float(np.median(np.abs(self.values - np.median(self.values))))

    def quantile(self, share: float) -> float | None:
        return float(np.quantile(self.values, share)) if self.count else None


@dataclass(frozen=True)
class Summary:
    """The spread of a statistic of which only a summary is known."""

    count: int
    mean: float | None
    std: float | None
    quantiles: Mapping[float, float] = field(default_factory=dict)
    missing: float = 0.0
    mad: float | None = None

    def quantile(self, share: float) -> float | None:
        return next((v for q, v in self.quantiles.items() if math.isclose(q, share)), None)


@dataclass(frozen=True)
class Column:
    """A statistic of each sample: one number, or a list of numbers (one for each image or clip).

    Attributes:
        values: the numbers of all samples, one after another; NaN for what is no number.
        counts: how many of them each sample has, or None if each has one.
        other: what a value is that is no number, such as `text`; empty if there is none.
    """

    values: Floats
    counts: npt.NDArray[np.int64] | None
    other: str = ""

    @property
    def samples(self) -> int:
        return len(self.values) if self.counts is None else len(self.counts)

    def items(self) -> Sample:
        """Return the spread of all numbers."""
        finite = self.values[np.isfinite(self.values)]
        missing = 1.0 - len(finite) / len(self.values) if len(self.values) else 0.0
        return Sample(finite, missing)

    def spread(self, side: str, strategy: str) -> Sample:
        """Return the spread of the number by which each sample passes or fails a bound.

        Of a list it is the smallest for a lower bound and the largest for an upper one if all
        numbers must pass, else the number that is nearest to the median of all. An empty list
        always passes and is left out.
        """
        if self.counts is None:
            return self.items()
        kept, starts = self._starts()
        if not len(kept):
            return Sample(self.values[:0])
        if strategy == ALL:
            reduce = np.minimum if side == "lower" else np.maximum
            found = reduce.reduceat(self.values, starts)
        else:
            found = self._nearest(starts, np.repeat(np.arange(len(kept)), self.counts[kept]))
        finite = found[np.isfinite(found)]
        return Sample(finite, 1.0 - len(finite) / len(kept))

    def _nearest(self, starts: npt.NDArray[np.intp], owner: npt.NDArray[np.intp]) -> Floats:
        """Return, for each list with numbers, the one that is nearest to the median of all."""
        middle = self.items().quantile(0.5)
        if middle is None:
            return self.values[:0]
        distances = np.abs(self.values - middle)
        is_nearest = distances == np.fmin.reduceat(distances, starts)[owner]
        places = np.flatnonzero(is_nearest)
        _, first = np.unique(owner[places], return_index=True)
        return self.values[places[first]]

    def reduced(self, passes: Flags, strategy: str) -> Flags:
        """Return which samples an operator keeps, given which of the numbers pass."""
        if self.counts is None:
            return passes
        kept, starts = self._starts()
        result = np.ones(self.samples, dtype=np.bool_)  # Data-Juicer keeps samples without images
        if len(kept):
            reduce = np.logical_or if strategy == ANY else np.logical_and
            result[kept] = reduce.reduceat(passes, starts)
        return result

    def _starts(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return the samples whose lists are not empty, and where their numbers begin."""
        assert self.counts is not None
        kept = np.flatnonzero(self.counts)
        starts = np.cumsum(self.counts) - self.counts
        return kept, starts[kept].astype(np.intp)
