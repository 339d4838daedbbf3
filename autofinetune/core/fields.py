"""Readers for fields of untrusted records: they check types, ranges and lengths."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from autofinetune.core.slot import Slot
from autofinetune.visible import visible

MOST_TEXT = 1 << 20
CHANGEABLE = ("gpu", "max_trials", "round", "trial_timeout", "max_parallel")
"""The options of a run that can be changed after its start."""
_MOST = 2**53
_LARGEST = sys.float_info.max
_MOST_VALUES = 100_000
_MOST_OF_ANYTHING = 10_000_000
_NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)
_STATUSES = ("COMPLETED", "FAILED", "STOPPED")

Reader = Callable[[Any], Any]


def number(value: object) -> float:
    """Read a finite number."""
    if (
        not isinstance(value, (int, float))
        or isinstance(value, bool)
        or not -_LARGEST <= value <= _LARGEST
    ):
        raise ValueError("is not a finite number")
    return value


def whole(value: object) -> int:
    """Read a whole number of at most 53 bits."""
    if type(value) is not int or abs(value) > _MOST:
        raise ValueError("is not a whole number of at most 53 bits")
    return value


def count(value: object) -> int:
    """Read a whole number >= 0."""
    if whole(value) < 0:
        raise ValueError("is below 0")
    return whole(value)


def small(value: object) -> int:
    """Read a whole number from 0 to ten million."""
    if count(value) > _MOST_OF_ANYTHING:
        raise ValueError("is too large")
    return count(value)


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def text(value: object) -> str:
    """Read a text, escaped so that it can be shown in one line."""
    return visible(exact_text(value))


def exact_text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise ValueError("is not a text, or too long")
    return value


def name(value: object) -> str:
    """Read a name that is safe as a part of a path or of a process mark."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("is not a name of letters, digits, dots, dashes and underscores")
    return value


def mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("is not an object")
    return value


def numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) > _MOST_VALUES:
        raise ValueError("is not a list of numbers")
    return tuple(map(number, value))


def params(value: object) -> Mapping[str, Any]:
    """Read names and values of hyperparameters; the names must be printable."""
    found = mapping(value)
    if len(found) > _MOST_VALUES or any(visible(key) != key for key in found):
        raise ValueError("has too many names, or names that hyperparameters cannot have")
    return {sys.intern(key): _value(one) for key, one in found.items()}


def options(value: object) -> Mapping[str, Any]:
    """Read new values of options; whether an option allows its value is checked elsewhere."""
    found = mapping(value)
    if not found.keys() <= set(CHANGEABLE):
        raise ValueError(f"is not a mapping of {', '.join(CHANGEABLE)}")
    return {name: _value(one) for name, one in found.items()}


def configurations(value: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or len(value) > _MOST_VALUES:
        raise ValueError("is not a list of configurations")
    return tuple(map(params, value))


def trials(value: object) -> tuple[Mapping[str, Any], ...]:
    """Read a list of {"params", "merit"}; the merit of a failed trial is None."""
    if not isinstance(value, list) or len(value) > _MOST_VALUES:
        raise ValueError("is not a list of trials")
    return tuple(map(_trial, value))


def _trial(value: object) -> Mapping[str, Any]:
    found = mapping(value)
    if found.keys() != {"params", "merit"}:
        raise ValueError("is not a list of mappings of params and merit")
    return {"params": params(found["params"]), "merit": optional(number)(found["merit"])}


def _value(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    return exact_text(value) if isinstance(value, str) else number(value)


def slot(value: object) -> Slot:
    return Slot.read(text(value))


def status(value: object) -> str:
    if value not in _STATUSES:
        raise ValueError(f"is not one of {', '.join(_STATUSES)}")
    return str(value)


def optional(reader: Reader) -> Reader:
    """Return a reader that accepts None as well as what `reader` accepts."""
    return lambda value: None if value is None else reader(value)


# Keyed by field, or by kind and field.
READERS: Mapping[str, Reader] = {
    "at": number, "run": name, "version": text, "config": mapping, "where": mapping,
    "trial": small, "round": small, "member": small, "attempt": small,
    "point": numbers, "params": params, "parent": optional(small),
    "slot": slot, "handle": mapping, "step": whole, "score": number, "offset": count,
    "log_start": count, "node": text,
    "reason": text, "status": status, "seconds": number, "has_model": flag, "is_waiting": flag,
    "estimate": optional(number), "request": name, "options": options, "text": text,
    "configurations": configurations, "source": text, "trials": trials,
    "TrialEnded.score": optional(number),
    "RunResumed.run": lambda value: value and name(value),
}  # fmt: skip
