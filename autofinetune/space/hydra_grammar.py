"""Reads the value of one parameter of a Hydra sweeper, in the override grammar.

    interval(a, b)           a real number            int(interval(a, b))   a whole one
    tag(log, interval(a, b)) on a logarithmic scale   range(a, b, step)     a, a + step, ... b
    choice(a, b, c), a,b,c   one of them              shuffle(...), sort(...)  the same values
    anything else            a constant

This is how the Optuna sweeper reads them; the basic sweeper excludes the end of a range. A value
that is more than a word keeps its quotes or brackets, as an override needs them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autofinetune.errors import did_you_mean

from .base import is_number
from .fields import short
from .yaml_values import plain_value

_FUNCTIONS = ("interval", "range", "choice", "tag", "int", "float", "str", "bool", "sort",
              "shuffle")  # fmt: skip
_CALL = re.compile(r"([A-Za-z_]\w*)\((.*)\)\Z", re.DOTALL)
_WORD = re.compile(r"[A-Za-z0-9_./:\\+ -]*\Z")
_SPECIAL = {"true": True, "false": False, "null": None}
_CASTS = {"int": int, "float": float, "str": str, "bool": bool}
_MOST_VALUES = 10_000


@dataclass(frozen=True)
class _Sweep:
    """The values of a sweep: an interval or range of numbers, or a list."""

    how: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    values: tuple[Any, ...] = ()
    log: bool = False
    kind: str = ""


def override_fields(text: Any, *, is_basic: bool) -> dict[str, Any]:
    """Translate the value of an override to the keys of hparam.yaml; raise ValueError if wrong."""
    if isinstance(text, Mapping):
        first = next(iter(text), "x")
        why = f"must be a text such as interval(0, 1), found {short(text)}; a nested name is "
        raise ValueError(f"{why}written with a dot, as in model.{str(first)[:40]}: ...")
    if not isinstance(text, str):
        return {"type": "constant", "value": text}
    parts = _split(text)
    if len(parts) > 1:
        return {"type": "choice", "choices": list(map(_primitive, parts))}
    if not _CALL.match(text.strip()):
        return {"type": "constant", "value": _primitive(text)}
    sweep = _sweep(text)
    if sweep.how == "choice":
        return {"type": "choice", "choices": list(sweep.values)}
    if sweep.how == "range" and is_basic:
        return {"type": "choice", "choices": list(_values(sweep))}
    low, high = sweep.numbers["start"], sweep.numbers["stop"]
    if low == high:
        return {"type": "choice", "choices": [low]}
    fields: dict[str, Any] = {"type": sweep.kind, "greater_than": low, "lower_than": high}
    if sweep.how == "range":
        fields["step"] = sweep.numbers["step"]
    return fields | ({"log": True} if sweep.log else {})


def _sweep(text: str) -> _Sweep:
    call = _CALL.match(text.strip())
    name = call[1] if call else ""
    if not call or name not in _FUNCTIONS:
        if name == "glob":
            raise ValueError(f"{short(text)} refers to files of the application, which are not "
                             "known here; list their names: choice(a, b)")  # fmt: skip
        hint = did_you_mean(name[:60], _FUNCTIONS)
        raise ValueError(f"{short(text)} is not understood; use one of: {', '.join(_FUNCTIONS)}, "
                         f"or put a text in quotes{hint}")  # fmt: skip
    args = _split(call[2])
    if name == "choice":
        if not call[2].strip():
            raise ValueError("choice must have at least one value")
        return _Sweep("choice", values=tuple(map(_primitive, args)))
    if name in ("interval", "range"):
        return _numbers(name, args, text)
    named = [arg for arg in args if re.match(r"\w+\s*=", arg.strip())]
    plain = [arg for arg in args if arg not in named]
    if name in ("shuffle", "sort") and len(plain) > 1:
        return _Sweep("choice", values=tuple(map(_primitive, plain)))
    if not plain or (name != "tag" and len(plain) > 1):
        raise ValueError(f"{short(text)}: {name} takes one sweep")
    inner = _sweep(plain[-1])
    if name == "tag":
        tags = {arg.strip().strip("'\"") for arg in plain[:-1]}
        return replace(inner, log=inner.log or "log" in tags)
    if name == "shuffle" and inner.how == "range":
        return _Sweep("choice", values=_values(inner))
    return _cast(inner, name, text) if name in _CASTS else inner


def _numbers(name: str, args: Sequence[str], text: str) -> _Sweep:
    words = ("start", "end") if name == "interval" else ("start", "stop", "step")
    wrong = ValueError(f"{short(text)}: {name} takes {', '.join(words)}, all numbers")
    found: dict[str, Any] = {}
    for index, arg in enumerate(args):
        key, equals, value = arg.partition("=")
        key, value = (key.strip(), value) if equals else (words[min(index, 2)], arg)
        found[key] = _primitive(value)
        if key not in words or not is_number(found[key]):
            raise wrong
    if name == "range" and len(args) == 1 and "start" in found:
        found = {"start": 0, "stop": found["start"]}
    if name == "interval" and "end" in found:
        found["stop"] = found.pop("end")
    if not {"start", "stop"} <= found.keys():
        raise wrong
    if name == "interval":
        found = {key: float(value) for key, value in found.items()}
        return _Sweep(name, found, kind="float")
    found.setdefault("step", 1)
    is_whole = all(type(value) is int for value in found.values())
    return _Sweep(name, found, kind="int" if is_whole else "float")


def _cast(sweep: _Sweep, name: str, text: str) -> _Sweep:
    cast = _CASTS[name]
    try:
        if sweep.how == "choice":
            return replace(sweep, values=tuple(map(cast, sweep.values)))
        if name not in ("int", "float"):
            raise ValueError(name)
        numbers = {key: cast(value) for key, value in sweep.numbers.items()}
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{short(text)}: cannot be cast to {name}") from None
    return replace(sweep, numbers=numbers, kind=name)


def _values(sweep: _Sweep) -> tuple[Any, ...]:
    """Return the values of a range, excluding its end."""
    start, stop, step = (sweep.numbers[key] for key in ("start", "stop", "step"))
    count = -int((start - stop) // step) if step > 0 else 0
    if not 0 < count <= _MOST_VALUES:
        raise ValueError(f"a range of {count} values must have 1 to {_MOST_VALUES}")
    return tuple(start + index * step for index in range(count))


def _split(text: str) -> list[str]:
    """Split a text at commas outside quotes and brackets, all of which must be closed."""
    parts, depth, quote, start = [], 0, "", 0
    for index, letter in enumerate(text):
        if quote:
            if letter == quote and text[index - 1] != "\\":
                quote = ""
        elif letter in "'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    if depth or quote:
        raise ValueError(f"{short(text)} has an unmatched bracket or quotation mark")
    return [*parts, text[start:]]


def _primitive(text: str) -> Any:
    """Return a number, boolean, None or word; anything else stays as written."""
    word = text.strip()
    if word.lower() in _SPECIAL:
        return _SPECIAL[word.lower()]
    if is_number(number := plain_value(word)):
        return number
    if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"":
        inside = word[1:-1]
        is_text = _WORD.match(inside) and not is_number(plain_value(inside))
        return inside if is_text and inside.strip() == inside and inside else word
    return word
