"""Ranges around a default value: the shapes that the rules of `rules.py` choose from.

A shape is called with the default and whether values are whole numbers, and returns the fields of
an entry of hparam.yaml, or None if it does not fit the default.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Fields = Mapping[str, Any]
Shape = Callable[[Any, bool], Fields | None]


def around(
    down: float, up: float, *, most: float = math.inf, zero: tuple[float, ...] = ()
) -> Shape:
    """Search on a logarithmic scale from default / `down` to default * `up`, at most `most`.

    A default of `most` and above shows that the limit does not apply.
    A default of 0 has no such range: then the values `zero` are tried, besides 0.
    """

    def shape(default: Any, is_whole: bool) -> Fields | None:
        if not _is_number(default) or default < 0:
            return None
        if default == 0:
            values = [0 if is_whole else 0.0, *zero]
            return _choice(values, default) if zero else None
        high = min(default * up, most if default < most else default * 3)
        return _range(default / down, high, default, is_whole, log=True)

    return shape


def between(low: float, high: float, *, wider: tuple[float, float] | None = None) -> Shape:
    """Search from `low` to `high`, or in the range `wider` if the default is outside of these."""

    def shape(default: Any, is_whole: bool) -> Fields | None:
        if not _is_number(default):
            return None
        is_at_end = wider is not None and default == high < wider[1]
        for least, most in filter(None, (None if is_at_end else (low, high), wider)):
            if least <= default <= most:
                return _range(least, most, default, is_whole, log=False)
        return None

    return shape


def doubled(below: int, above: int) -> Shape:
    """Choose among the default, `below` halvings of it and `above` doublings."""

    def shape(default: Any, is_whole: bool) -> Fields | None:
        if not _is_number(default) or default != int(default) or not 1 <= default < 2**40:
            return None
        value = int(default)
        halves = [value >> k for k in range(1, below + 1) if value % (1 << k) == 0]
        values = [*reversed(halves), value, *(value << k for k in range(1, above + 1))]
        return _choice(values if is_whole else [float(one) for one in values], default)

    return shape


def small(least: int = 1) -> Shape:
    """Search among small whole numbers, from half the default to its double or 6 more."""

    def shape(default: Any, is_whole: bool) -> Fields | None:
        if not _is_number(default) or default < least or default > 10_000:
            return None
        high = max(default + 2, min(2 * default, default + 6))
        return _range(max(least, default // 2), high, default, is_whole, log=False)

    return shape


def odd(default: Any, is_whole: bool) -> Fields | None:
    """Choose among neighbouring odd numbers."""
    if not _is_number(default) or not is_whole or default % 2 != 1 or not 1 <= default <= 31:
        return None
    return _choice([one for one in (default - 2, default, default + 2, default + 4) if one > 0],
                   default)  # fmt: skip


def switched(default: Any, is_whole: bool) -> Fields | None:
    """Choose between false and true."""
    return _choice([False, True], default) if isinstance(default, bool) else None


def gamma(default: Any, is_whole: bool) -> Fields | None:
    """Tell apart what is called gamma: a discount, a factor of decay, or a penalty."""
    if _is_number(default) and 0.9 <= default < 1:
        return between(0.9, 0.9999)(default, is_whole)
    if _is_number(default) and 0 < default < 0.9:
        return between(0.1, 0.95, wider=(default / 2, 0.95))(default, is_whole)
    return around(30, 30, zero=(0.01, 0.1, 1.0, 10.0))(default, is_whole)


def alpha(default: Any, is_whole: bool) -> Fields | None:
    """Keep a part of a whole below 1; anything else is a penalty."""
    most = 1.0 if _is_number(default) and default < 1 else math.inf
    return around(30, 30, most=most, zero=(0.001, 0.01, 0.1, 1.0))(default, is_whole)


def near(default: Any, is_whole: bool) -> Fields | None:
    """Search between half of the default and its double, for names that no rule knows."""
    if not _is_number(default) or not 0 < abs(default) < 1e12:
        return None
    low, high = sorted((default / 2, default * 2))
    if 0 < default <= 1:
        high = min(high, 1.0)
    if is_whole and 0 < default < 4:
        low, high = 1, default + 3
    return _range(low, high, default, is_whole, log=False)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _choice(values: list[Any], default: Any) -> Fields | None:
    values = list(dict.fromkeys(values))
    if default not in values or len(values) < 2:
        return None
    return {"type": "choice", "init_value": default, "choices": values}


def _range(low: float, high: float, default: Any, is_whole: bool, *, log: bool) -> Fields | None:
    """Return a range that contains the default, with bounds rounded to what people would write."""
    if is_whole:
        low, high = math.floor(low), math.ceil(high)
        low = max(low, 1) if log else low
    else:
        low, high, default = min(_round(low), default), max(_round(high), default), float(default)
    if not low <= default <= high or low >= high:
        return None
    kind = "int" if is_whole else "float"
    found = {"type": kind, "init_value": default, "greater_than": low, "lower_than": high}
    return {**found, "log": True} if log else found


def _round(value: float) -> float:
    """Return a number with two digits, or with two digits of its distance to 1."""
    if 0.9 < value < 1:
        return round(1 - float(f"{1 - value:.2g}"), 12)
    return float(f"{value:.2g}")
