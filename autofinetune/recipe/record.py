"""The result of refining a recipe as plain data, and as lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autofinetune.errors import did_you_mean
from autofinetune.visible import visible

from . import operators
from .document import Recipe
from .operators import Known
from .refine import How, Refined
from .shares import Shares

_UNLIMITED = 2.0**62  # a default beyond it is no limit


def record_of(
    recipe: Recipe,
    table: Mapping[str, Known],
    how: How,
    refined: Sequence[Refined],
    shares: Sequence[Shares],
    samples: int | None,
) -> dict[str, Any]:
    """Return what `--json` prints and the page shows; shares are from 0 to 1."""
    touched = {one.operator.index for one in refined}
    return {
        "recipe": recipe.document.source,
        "rule": how.rule.name,
        "k": how.k,
        "exact": how.exact,
        "samples": samples,
        "thresholds": [_threshold(recipe, one) for one in refined],
        "others": [
            {
                "operator": one.name,
                "index": one.index,
                "line": recipe.line(one.path()),
                "reason": _why_not(one.name, table),
            }
            for one in recipe.operators
            if one.index not in touched
        ],
        "filters": [
            {"operator": one.operator.name, "index": one.operator.index, **_shares(one)}
            for one in shares
            if one.operator is not None
        ],
        "together": next((_shares(one) for one in shares if one.operator is None), None),
    }


def _threshold(recipe: Recipe, one: Refined) -> dict[str, Any]:
    argument = one.threshold.argument
    return {
        "operator": one.operator.name,
        "index": one.operator.index,
        "line": recipe.line(one.operator.path(argument)),
        "argument": argument,
        "side": one.threshold.side,
        "statistic": one.stat or None,
        "before": str(one.before) if one.before in (math.inf, -math.inf) else one.before,
        "is_written": one.is_written,
        "after": one.after,
        "is_changed": one.is_changed,
        "reason": one.reason or None,
        "samples": one.count,
        "missing": one.missing,
    }


def _shares(one: Shares) -> dict[str, float]:
    return {"dropped_before": one.before, "dropped_after": one.after}


def _why_not(name: str, table: Mapping[str, Known]) -> str:
    if name in table:
        return "it has no threshold for a statistic"
    guess = did_you_mean(name, operators.names(), str)
    return f"Data-Juicer {operators.version()} has no such operator{guess}"


def notes_of(recipe: Recipe, table: Mapping[str, Known]) -> Iterator[str]:
    """Yield what is wrong with arguments that Data-Juicer does not refuse."""
    for operator in recipe.operators:
        known = table.get(operator.name)
        for argument in operator.arguments if known else ():
            if known and argument not in known.arguments:
                guess = did_you_mean(argument, known.arguments, str)
                where = recipe.where(operator.path(argument))
                yield f"{where} {operator.name} takes no {argument}{guess}"


def lines_of(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tables of thresholds, of other operators and of dropped shares as text."""
    rows = [
        [
            str(one["line"]),
            f"{one['operator']}.{one['argument']}",
            shown(one["before"], is_written=one["is_written"]),
            shown(one["after"]) if one["is_changed"] else "",
            one["reason"] or "",
        ]
        for one in record["thresholds"]
    ]
    yield from _table(["line", "threshold", "before", "after", "unchanged, because"], rows)
    for reason in dict.fromkeys(one["reason"] for one in record["others"]):
        names = [one["operator"] for one in record["others"] if one["reason"] == reason]
        yield f"not refined: {visible(', '.join(names))}: {visible(reason)}"
    if record["together"]:
        yield ""
        shares = [*record["filters"], {"operator": "all together", **record["together"]}]
        rows = [
            [one["operator"], f"{one['dropped_before']:.2%}", f"{one['dropped_after']:.2%}"]
            for one in shares
        ]
        yield from _table([f"dropped of {record['samples']} samples", "before", "after"], rows)


def shown(value: Any, *, is_written: bool = True) -> str:
    """Return a threshold for people: a default in brackets, a dash for none."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is None or (is_number and not is_written and abs(value) > _UNLIMITED):
        return "-"
    text = visible(f"{value}")[:40]
    return text if is_written else f"({text})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield visible("  ".join(cells).rstrip())
