"""Refines the thresholds of a recipe by the statistics of its data.

Each threshold of a known filter gets the bound of a rule. It is rounded outwards to the type of
the argument, limited to what the statistic and Data-Juicer's parser allow, and never looser than
the bound of the recipe, unless that is asked for. A threshold that the recipe leaves out is added
where its default is looser. With `exact`, the bound stays as it is, as in Data-Juicer's
execute_hpo_3sigma.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .document import Operator, Recipe
from .operators import LOWER, UPPER, Argument, Known, Threshold, domain
from .rules import Rule, Unusable
from .spread import ALL, ANY, Spread
from .statistics import Statistics

LEAST_SAMPLES = 30
MOST_MISSING = 0.1
_DIGITS = 6  # of a float, which is rounded outwards


@dataclass(frozen=True)
class How:
    """How thresholds are chosen: a rule with its factor, and what is done with its bounds."""

    rule: Rule
    k: float
    may_widen: bool = False
    exact: bool = False


@dataclass(frozen=True)
class Refined:
    """A threshold before and after.

    `after` equals `before` where `reason` says why it was not changed. `is_written` tells whether
    the recipe has it; otherwise `before` is its default. `stat` is empty if it is not known, and
    `missing` the share of samples without a value.
    """

    operator: Operator
    threshold: Threshold
    stat: str
    before: Any
    is_written: bool
    after: Any = None
    reason: str = ""
    count: int = 0
    missing: float = 0.0

    @property
    def is_changed(self) -> bool:
        return not self.reason


def refine(
    recipe: Recipe, table: Mapping[str, Known], statistics: Statistics, how: How
) -> list[Refined]:
    """Return all thresholds of the recipe's known operators, in order.

    Args:
        recipe: the recipe.
        table: the known ones among its operators, by name.
        statistics: those of the data that the recipe reads.
        how: the rule, and how its bounds are used.
    """
    found: list[Refined] = []
    for operator in recipe.operators:
        known = table.get(operator.name)
        if known is not None:
            before = len(found)
            for threshold in known.thresholds.values():
                found.append(_refined(operator, known, threshold, statistics, how))
            if not how.exact:
                found[before:] = _uncrossed(found[before:])
    return found


def changes_of(refined: list[Refined]) -> dict[tuple[str | int, ...], Any]:
    """Return the changed arguments by their path in the recipe."""
    return {
        one.operator.path(one.threshold.argument): one.after for one in refined if one.is_changed
    }


def any_or_all(operator: Operator, known: Known) -> str:
    """Return whether a sample with a list passes if one of its numbers does, or if all do."""
    argument = known.arguments.get("any_or_all")
    given = operator.arguments.get("any_or_all", argument.default if argument else ANY)
    return ALL if given == ALL else ANY


def _refined(
    operator: Operator, known: Known, threshold: Threshold, statistics: Statistics, how: How
) -> Refined:
    argument = known.arguments[threshold.argument]
    is_written = operator.arguments.get(threshold.argument) is not None
    before = operator.arguments[threshold.argument] if is_written else argument.default
    stat = known.stat(threshold, operator.arguments) or ""
    result = Refined(operator, threshold, stat, before, is_written, before)
    try:
        spread = _spread(result, known, statistics, how)
        result = replace(result, count=spread.count, missing=spread.missing)
        _check(spread, how)
        bound = how.rule.bounds(spread, how.k)[threshold.side == UPPER]
        after = bound if how.exact else _usable(result, argument, bound, how)
    except Unusable as error:
        return replace(result, reason=str(error))
    if after == before:
        return replace(result, reason="it is that already")
    return replace(result, after=after)


def _spread(result: Refined, known: Known, statistics: Statistics, how: How) -> Spread:
    """Return the spread of a threshold's statistic; raise Unusable if there is none."""
    operator, threshold, stat = result.operator, result.threshold, result.stat
    kind = known.arguments[threshold.argument].type
    if not stat:
        raise Unusable("it bounds a field of the data, of which there are no statistics")
    if kind not in ("int", "float"):
        raise Unusable(f"it takes text such as {result.before}, not a number")
    if result.before is not None and _number(result.before) is None:
        raise Unusable(f"its value {result.before!r:.60} is not a number")
    if operator.arguments.get("reversed_range") is True and not how.exact:
        raise Unusable("reversed_range keeps what is outside the bounds")
    if how.exact and not {"min", "max"} & set(threshold.argument.split("_")):
        raise Unusable("its name has neither min nor max")
    column = statistics.columns.get(stat)
    if column is not None:
        sample = (
            column.items()
            if how.exact
            else column.spread(threshold.side, any_or_all(operator, known))
        )
        if not sample.count and column.other:
            raise Unusable(f"{stat} is {column.other}")
        return sample
    summary = statistics.summaries.get(stat)
    if summary is None:
        raise Unusable(f"the statistics have no {stat}")
    return summary


def _check(spread: Spread, how: How) -> None:
    """Raise Unusable if a spread cannot carry a rule."""
    if how.exact:
        return
    if spread.count < LEAST_SAMPLES:
        raise Unusable(
            f"{spread.count} samples with a value are too few; {LEAST_SAMPLES} are needed"
        )
    if spread.missing > MOST_MISSING:
        raise Unusable(f"{spread.missing:.0%} of the samples have no value")
    if spread.std == 0:
        mean = spread.mean
        raise Unusable(f"all samples have the same value{'' if mean is None else f' {mean:g}'}")


def _usable(result: Refined, argument: Argument, bound: float, how: How) -> float | int:
    """Return a bound with the type of its argument, within all limits."""
    is_lower = result.threshold.side == LOWER
    least, most = domain(result.stat)
    bound = min(max(bound, least, argument.least), most, argument.most)
    value = _rounded(bound, argument.type, is_lower=is_lower)
    if argument.is_open and value <= argument.least:
        raise Unusable(f"it must be above {argument.least:g}")
    before = _number(result.before)
    if (
        before is not None
        and not how.may_widen
        and (before > value if is_lower else before < value)
    ):
        raise Unusable(f"it is tighter than {value!r} already")
    return value


def _rounded(value: float, kind: str, *, is_lower: bool) -> float | int:
    """Return a bound rounded outwards: to an int, or to a float of few digits."""
    outwards = math.floor if is_lower else math.ceil
    if kind == "int":
        return outwards(value)
    if value == 0:
        return 0.0
    places = _DIGITS - 1 - math.floor(math.log10(abs(value)))
    if places > 300:
        return value
    near = round(value, places)
    if (near > value) if is_lower else (near < value):
        near = round(near + (-1 if is_lower else 1) * 10.0**-places, places)
    return near


def _number(value: Any) -> float | None:
    """Return a threshold of a recipe as Data-Juicer reads it, None if it is no number."""
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _uncrossed(refined: list[Refined]) -> list[Refined]:
    """Leave a statistic's bounds as they were if no value would be between the new ones."""
    result = []
    for one in refined:
        others = [
            other
            for other in refined
            if other.stat == one.stat and other.threshold.side != one.threshold.side
        ]
        if one.is_changed and any(_cross(one, other) for other in others):
            reason = f"the bounds would leave nothing: {one.after!r} crosses the other"
            one = replace(one, after=one.before, reason=reason)
        result.append(one)
    return result


def _cross(one: Refined, other: Refined) -> bool:
    mine, others = _number(one.after), _number(other.after)
    if mine is None or others is None:
        return False
    return mine > others if one.threshold.side == LOWER else mine < others
