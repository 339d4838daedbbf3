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
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from autofinetune.errors import ConfigError, UsageError
from autofinetune.space.fields import short
from autofinetune.space.yaml_file import read_named

from .spread import Column, Summary

KEY = "__dj__stats__"
MOST_LINE = 32 << 20  # bytes
MOST_SUMMARY = 16 << 20
_TIP = "give the overall.csv or the *_stats.jsonl that dj-analyze wrote"


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
