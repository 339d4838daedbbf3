"""Patterns for the lines of a metric, made from Katib's, which match a name and a value."""

from __future__ import annotations

import contextlib
import re

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[Ee][+-]?\d+)?"
_BEFORE = r"(?<![\w|-])"  # not inside a longer name


def line_pattern(name: str) -> str:
    """Return the pattern for `name=value`, by which Katib finds metrics by default."""
    return rf"{_BEFORE}{re.escape(name)}\s*=\s*({_NUMBER})"


def pattern_of(format_: str, name: str) -> str:
    """Specialize a pattern with groups for a name and its value to one name; keep the second.

    Raise ValueError if `format_` is not such a pattern, or too complex.
    """
    try:
        groups = re.compile(format_).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    if groups < 2:
        raise ValueError(f"must have two groups, for the name and the value, found {groups}")
    (start, end), (value, _), *others = _groups(format_)
    if value < end:
        raise ValueError("has its second group inside the first, which is for the name")
    parts, at = [format_[:start], f"{_BEFORE}{re.escape(name)}"], end
    for where, _ in ((value, 0), *others):
        parts += [format_[at:where], "(" if where == value else "(?:"]
        at = where + len(_OPENING.match(format_, where)[0])  # type: ignore[index]
    found = "".join([*parts, format_[at:]])
    with contextlib.suppress(re.error):
        if re.compile(found).groups == 1:
            return found
    raise ValueError(
        "refers to a group by its number, or is too complex to be read for one metric"
    )


_OPENING = re.compile(r"\((?:\?P<\w+>)?")


# What is escaped, a class of letters, and what opens a capturing group, opens another, closes one.
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^]\\])*\]|(\((?!\?)|\(\?P<)|(\()|(\))", re.DOTALL)


def _groups(pattern: str) -> list[tuple[int, int]]:
    """Return the start and end of each capturing group, in the order of their starts."""
    found: list[tuple[int, int]] = []
    opened: list[int | None] = []
    for token in _TOKEN.finditer(pattern):
        if token[1]:
            opened.append(len(found))
            found.append((token.start(), len(pattern)))
        elif token[2]:
            opened.append(None)
        elif token[3] and opened:
            number = opened.pop()
            if number is not None:
                found[number] = (found[number][0], token.end())
    return found
