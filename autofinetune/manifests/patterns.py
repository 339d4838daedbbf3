"""Patterns for the lines of a metric, made from Katib's, which match a name and a value."""

from __future__ import annotations

import re

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[Ee][+-]?\d+)?"
_BEFORE = r"(?<![\w|-])"  # not inside a longer name


def line_pattern(name: str) -> str:
    """Return the pattern for `name=value`, by which Katib finds metrics by default."""
    return rf"{_BEFORE}{re.escape(name)}\s*=\s*({_NUMBER})"


def pattern_of(format_: str, name: str) -> str:
    """Specialize a pattern with one group for a name and a second for its value to one name.

    Returns:
        A pattern with one group, for the value.

    Raises:
        ValueError: `format_` is not such a pattern, or too complex.
    """
    try:
        groups = re.compile(format_).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    if groups < 2:
        raise ValueError(f"must have two groups, for the name and the value, found {groups}")
    opened = _groups(format_)
    (start, end), (value, _), *others = opened
    if value < end:
        raise ValueError("has its second group inside the first, which is for the name")
    parts, at = [format_[:start], f"{_BEFORE}{re.escape(name)}"], end
    for where, _ in ((value, 0), *others):
        capturing = "(" if where == value else "(?:"
        after = where + len(_OPENING.match(format_, where)[0])  # type: ignore[index]
        parts += [format_[at:where], capturing]
        at = after
    found = "".join([*parts, format_[at:]])
    try:
        if re.compile(found).groups == 1:
            return found
    except re.error:
        pass
    raise ValueError(
        "refers to a group by its number, or is too complex to be read for one metric"
    )


_OPENING = re.compile(r"\((?:\?P<\w+>)?")


def _groups(pattern: str) -> list[tuple[int, int]]:
    """Return the start and end of each capturing group, in the order of their starts."""
    found: list[tuple[int, int]] = []
    opened: list[int | None] = []
    index, in_class = 0, False
    while index < len(pattern):
        letter = pattern[index]
        if letter == "\\":
            index += 1
        elif in_class:
            in_class = letter != "]"
        elif letter == "[":
            in_class = True
            index += pattern[index + 1 : index + 3].startswith(("]", "^")) + (
                pattern[index + 1 : index + 3] == "^]"
            )
        elif letter == "(":
            is_capturing = pattern[index + 1 : index + 2] != "?" or pattern.startswith(
                "(?P<", index
            )
            opened.append(len(found) if is_capturing else None)
            if is_capturing:
                found.append((index, len(pattern)))
        elif letter == ")" and opened:
            number = opened.pop()
            if number is not None:
                found[number] = (found[number][0], index + 1)
        index += 1
    return found
