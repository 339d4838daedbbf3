"""What share of the samples the filters of a recipe drop, one by one and together.

All filters are applied to the statistics of the raw data, as Data-Juicer's Analyzer computes them;
in a recipe a filter sees what those before it have kept and changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .document import Operator
from .operators import LOWER, Known
from .refine import Refined, any_or_all
from .spread import Column, Flags
from .statistics import Statistics


@dataclass(frozen=True)
class Shares:
    """The dropped share, from 0 to 1, before and after; `operator` is None for all together."""

    operator: Operator | None
    before: float
    after: float


def shares_of(
    refined: Sequence[Refined], table: Mapping[str, Known], statistics: Statistics
) -> list[Shares]:
    """Return the shares of each operator with statistics, and of all, which is the last.

    It is empty if there are no statistics of each sample.
    """
    samples = statistics.samples
    if not samples:
        return []
    result = []
    kept = [np.ones(samples, dtype=np.bool_) for _ in range(2)]
    for index in dict.fromkeys(one.operator.index for one in refined):
        thresholds = [
            one
            for one in refined
            if one.operator.index == index and one.stat in statistics.columns
        ]
        if thresholds:
            operator = thresholds[0].operator
            masks = [
                _kept(thresholds, table[operator.name], statistics.columns, is_after=is_after)
                for is_after in (False, True)
            ]
            result.append(Shares(operator, *(1.0 - float(np.mean(mask)) for mask in masks)))
            kept = [all_before & mask for all_before, mask in zip(kept, masks, strict=True)]
    if result:
        result.append(Shares(None, *(1.0 - float(np.mean(mask)) for mask in kept)))
    return result


def _kept(
    thresholds: Sequence[Refined], known: Known, columns: Mapping[str, Column], *, is_after: bool
) -> Flags:
    """Return which samples an operator keeps; a number that is missing passes."""
    operator = thresholds[0].operator
    strategy = any_or_all(operator, known)
    by_stat: dict[str, Flags] = {}
    for one in thresholds:
        values = columns[one.stat].values
        try:
            bound = float(one.after if is_after else one.before)
        except (TypeError, ValueError):
            continue
        is_lower = one.threshold.side == LOWER
        closed = "min_closed_interval" if is_lower else "max_closed_interval"
        is_closed = operator.arguments.get(closed, True) is not False
        if is_lower:
            passes = values >= bound if is_closed else values > bound
        else:
            passes = values <= bound if is_closed else values < bound
        before = by_stat.setdefault(one.stat, np.ones(len(values), dtype=np.bool_))
        by_stat[one.stat] = before & passes
    is_reversed = operator.arguments.get("reversed_range") is True
    for stat, passes in by_stat.items():
        by_stat[stat] = (passes != is_reversed) | ~np.isfinite(columns[stat].values)
    flags = list(by_stat.values())
    first = columns[thresholds[0].stat]
    if not flags:
        return np.ones(first.samples, dtype=np.bool_)
    if all(len(one) == len(flags[0]) for one in flags):  # width and height of the same image
        return first.reduced(np.logical_and.reduce(flags), strategy)
    kept = [columns[stat].reduced(passes, strategy) for stat, passes in by_stat.items()]
    result: Flags = np.logical_and.reduce(kept)
    return result
