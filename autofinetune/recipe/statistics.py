"""Statistics of data that Data-Juicer's Analyzer has written, without Data-Juicer.

`*_stats.jsonl` holds the statistics of each sample, one line each, and is read line by line;
`overall.csv` holds a summary of each statistic: its count, mean, standard deviation and quantiles.
"""

from __future__ import annotations

import csv
import io
import json
import math
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from autofinetune.errors import ConfigError, UsageError
from autofinetune.space.fields import short
from autofinetune.space.yaml_file import read_named

Floats: TypeAlias = "npt.NDArray[np.float64]"
Flags: TypeAlias = "npt.NDArray[np.bool_]"

KEY = "__dj__stats__"
MOST_LINE = 32 << 20  # bytes
MOST_SUMMARY = 16 << 20
ANY, ALL = "any", "all"
_TIP = "give the overall.csv or the *_stats.jsonl that dj-analyze wrote"


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


@dataclass(frozen=True)
class Statistics:
    """What is known of the data: columns of each sample, or a summary of each statistic.

    `samples` is their number, None if it is not known.
    """

    samples: int | None
    columns: Mapping[str, Column] = field(default_factory=dict)
    summaries: Mapping[str, Summary] = field(default_factory=dict)


def read_statistics(path: Path, wanted: Collection[str]) -> Statistics:
    """Read the wanted statistics of a file that Data-Juicer wrote; which one, its content tells.

    Raises:
        UsageError: there is no such file, or it is something else, with the line.
    """
    try:
        with path.open("rb") as file:
            beginning = file.peek(512)[:512].removeprefix(b"\xef\xbb\xbf").lstrip()
            if beginning.startswith(b"{"):
                return _read_samples(file, str(path), wanted)
        return _read_summary(read_named(path, MOST_SUMMARY + 1), str(path), wanted)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read --stats={path}: {why}", _TIP) from None


_KINDS = {str: "text", bool: "true or false", dict: "a mapping", list: "a list of lists"}


class _Filling:
    """A column that is read."""

    def __init__(self) -> None:
        self._values = array("d")
        self._counts = array("q")
        self._has_lists = False
        self._other = ""

    def add(self, value: Any) -> None:
        """Add the value of the next sample."""
        if isinstance(value, list):
            self._has_lists = True
            self._values.extend(map(self._number, value))
            self._counts.append(len(value))
        else:
            self._values.append(self._number(value))
            self._counts.append(1)

    def _number(self, value: Any) -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                return math.inf
        if value is not None:
            self._other = _KINDS[type(value)]
        return math.nan

    def column(self) -> Column:
        counts = np.frombuffer(self._counts, dtype=np.int64) if self._has_lists else None
        return Column(np.frombuffer(self._values, dtype=np.float64), counts, self._other)


def _read_samples(file: BinaryIO, source: str, wanted: Collection[str]) -> Statistics:
    filling: dict[str, _Filling] = {name: _Filling() for name in wanted}
    seen: set[str] = set()
    samples = 0
    for number, line in _lines(file, source):
        try:
            sample = json.loads(line)
        except (ValueError, RecursionError):
            raise _mistake(source, number, "is not JSON") from None
        stats = sample.get(KEY) if isinstance(sample, dict) else None
        if not isinstance(stats, dict):
            raise _mistake(source, number, f"has no {KEY}, found {short(sample)}")
        samples += 1
        for name, one in filling.items():
            one.add(stats.get(name))
        seen.update(stats.keys() & filling.keys())
    return Statistics(samples, {name: filling[name].column() for name in sorted(seen)})


def _lines(file: BinaryIO, source: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(MOST_LINE + 1):
        number += 1
        if len(line) > MOST_LINE:
            raise _mistake(source, number, f"is longer than {MOST_LINE >> 20} MiB")
        if line.strip():
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _mistake(source: str, line: int, why: str) -> ConfigError:
    return ConfigError(source, [f"{source}:{line} {why}"], _TIP)


def _read_summary(data: bytes, source: str, wanted: Collection[str]) -> Statistics:
    if len(data) > MOST_SUMMARY:
        raise _mistake(source, 1, f"is no overall.csv: larger than {MOST_SUMMARY >> 20} MiB")
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _mistake(source, 1, f"is no overall.csv: {error}") from None
    table = {row[0]: row[1:] for row in rows[1:] if row}
    for name in ("count", "mean", "std"):
        if name not in table:
            raise _mistake(source, 1, f"is no overall.csv: it has no row {name}")
    summaries = {}
    for index, name in enumerate(rows[0][1:]):
        if name in wanted:
            numbers = {row: _cell(cells, index) for row, cells in table.items()}
            summaries[name] = _summary(numbers)
    return Statistics(None, summaries=summaries)


def _cell(cells: list[str], index: int) -> float | None:
    try:
        number = float(cells[index])
    except (ValueError, IndexError):  # empty, or text
        return None
    return number if math.isfinite(number) else None


def _summary(numbers: Mapping[str, float | None]) -> Summary:
    quantiles = {"min": 0.0, "max": 1.0}
    for name in numbers:
        if name.endswith("%"):
            try:
                quantiles[name] = float(name[:-1]) / 100
            except ValueError:
                continue
    found = {share: numbers.get(name) for name, share in quantiles.items()}
    return Summary(
        int(numbers["count"] or 0),
        numbers["mean"],
        numbers["std"],
        {share: value for share, value in found.items() if value is not None},
    )
