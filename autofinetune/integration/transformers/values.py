"""Turns hyperparameters into values for the fields of TrainingArguments, strictly."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Mapping
from typing import Any

from autofinetune.errors import UsageError, did_you_mean
from autofinetune.space.fields import short

_BOOLS = {"true": True, "false": False}
_TAKES_TRIAL = "or give model_init a parameter, which gets the hyperparameters of the trial"


def fields_of(args: Any) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of TrainingArguments by name."""
    return {field.name: field for field in dataclasses.fields(args) if field.init}


def split(
    args: Any, params: Mapping[str, Any], *, others_allowed: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values for `args`, of the right types, and the other hyperparameters.

    Raise UsageError for a value that its field does not take, and for a name that is no field
    unless `others_allowed`.
    """
    fields = fields_of(args)
    ours, others = {}, {}
    for name, value in params.items():
        if name in fields:
            ours[name] = cast(fields[name], getattr(args, name), value)
        elif others_allowed:
            others[name] = value
        else:
            raise UsageError(
                f"{name} is no field of {type(args).__name__}{did_you_mean(name, fields)}, and "
                "nothing else would read it",
                f"correct the name, {_TAKES_TRIAL}",
            )
    return ours, others


def cast(field: dataclasses.Field[Any], now: Any, value: Any) -> Any:
    """Return `value` with the type of a field; `now` is its present value.

    A number may be written as text. Nothing is rounded or guessed: `"False"` is false, and 2.5 is
    no whole number. Raise UsageError for a value that the field does not take.
    """
    kind = _kind(field, now)
    if value is None or kind is None or (isinstance(value, kind) and not isinstance(value, bool)):
        return value
    try:
        return _converted(kind, value)
    except ValueError as error:
        raise UsageError(f"{field.name}={short(value)}: {error}") from None


def _kind(field: dataclasses.Field[Any], now: Any) -> type | None:
    """Return the type of a field; None for one that takes several kinds of values."""
    if isinstance(now, enum.Enum):
        return type(now)
    words = set(re.findall(r"\w+", getattr(field.type, "__name__", str(field.type))))
    words |= set(re.findall(r"\w+", str(field.type)))
    if "str" in words or not words & {"bool", "int", "float"}:
        return str if isinstance(now, str) and not words & {"bool", "int", "float"} else None
    # A whole number is also allowed where a real number is.
    return float if "float" in words else int if "int" in words else bool


def _converted(kind: type, value: Any) -> Any:
    if issubclass(kind, enum.Enum):
        try:
            return kind(value)
        except ValueError:
            known = [str(one.value) for one in kind]
            close = did_you_mean(str(value), known)
            listed = f"; there are: {', '.join(known)}"
            raise ValueError(f"transformers has no such value{close or listed}") from None
    if kind is str:
        raise ValueError("it must be a string")
    if kind is bool:
        if isinstance(value, bool):
            return value
        word = str(value).lower()
        if word not in _BOOLS:
            raise ValueError("it must be True or False")
        return _BOOLS[word]
    what = "a whole number" if kind is int else "a number"
    if isinstance(value, bool):
        raise ValueError(f"it must be {what}")
    if kind is float and isinstance(value, int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"it must be {what}") from None
    if kind is int and not number.is_integer():
        raise ValueError(f"it must be {what}; round it in hp_space, or use a range of integers")
    return int(number) if kind is int else number
