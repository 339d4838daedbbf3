"""Readers of the fields of choices and constants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .base import Value, is_number
from .choices import INPUT, ChoiceParameter, Constant, label_of
from .fields import Fields, short

_NONE_OR_ONE = [0, 1]
_SURE = 1e-6  # how far the sum of probabilities may differ from 1


def read_constant(fields: Fields) -> Constant | None:
    """Read a constant; return None if it has mistakes."""
    if "value" not in fields.keys:
        fields.mistake(None, "value is missing")
        return None
    value = fields.keys["value"]
    problem = _problem(value)
    if problem:
        fields.mistake("value", f"{fields.word('value')} {problem}")
        return None
    return Constant(fields.keys.get("name", ""), value)


def read_choice(fields: Fields, kind: str) -> ChoiceParameter | Constant | None:
    """Read a choice, or an `input_choice` of no input, a constant; None if it has mistakes."""
    name, written = fields.keys.get("name", ""), fields.keys.get("choices")
    optional = False
    if kind == INPUT:
        chosen = fields.keys.get("n_chosen", 1)
        if chosen == 0 and chosen is not False:
            return Constant(name, [])
        optional = chosen == _NONE_OR_ONE
        if not optional and (chosen != 1 or chosen is True):
            fields.mistake("n_chosen", f"n_chosen must be 0, 1 or [0, 1], found {short(chosen)}")
    if not isinstance(written, list) or not written:
        word = fields.word("choices")
        fields.mistake("choices", f"{word} must be a list with at least one value")
        return None
    repeats = _check(fields, kind, written)
    weights = _weights(fields, len(written))
    if fields.failed:
        return None
    if repeats:
        written, weights = _without_repeats(fields, written, weights, repeats)
    if weights:
        never = [short(v) for v, weight in zip(written, weights, strict=True) if not weight]
        if never:
            fields.note("probabilities", f"left out with probability 0: {', '.join(never)}")
        written = [v for v, weight in zip(written, weights, strict=True) if weight]
        weights = tuple(filter(None, weights))
    choices = tuple(map(label_of, written))
    if len({(type(value), value) for value in choices}) < len(choices):
        choices = tuple(f"{value}#{index}" for index, value in enumerate(choices))
    if optional:
        choices = (*choices, None)
    given = fields.keys.get("init_value", choices[0])
    if choices == tuple(written) and kind != INPUT:
        written = []
    found = ChoiceParameter(name, choices, label_of(given), weights, tuple(written), kind)
    try:
        found.index(found.init)
    except ValueError:
        why = f"must be one of the choices: {', '.join(map(short, choices))}"
        fields.mistake("init_value", f"init_value {short(given)} {why}")
    return found


def _check(fields: Fields, kind: str, written: list[Any]) -> Mapping[int, int]:
    """Check the choices; return the index of each repeated value with that of its first place."""
    seen: dict[tuple[type, Value], int] = {}
    repeats: dict[int, int] = {}
    for index, value in enumerate(written):
        label = label_of(value)
        problem = _problem(value)
        first = seen.setdefault((type(label), label), index)
        if problem is None and kind != "choice" and label is not value:
            problem = "must be a word or number"
        elif problem is None and kind == "choice" and first != index:
            if fields.entry.is_own:
                problem = f"{short(value)} appears twice"
            repeats[index] = first
        if problem:
            fields.mistake("choices", f"{fields.word('choices')}[{index}] {problem}", index)
    return repeats


def _without_repeats(
    fields: Fields, written: list[Any], weights: Sequence[float], repeats: Mapping[int, int]
) -> tuple[list[Any], tuple[float, ...]]:
    """Return the values without repeats, with the weights of repeats added up."""
    totals = list(weights)
    for index, first in repeats.items():
        if totals:
            totals[first] += totals[index]
    values = ", ".join(dict.fromkeys(short(written[first]) for first in repeats.values()))
    as_likely = "" if totals else ", and all values are equally likely"
    word = fields.word("choices")
    fields.note("choices", f"{word} repeat {values}: each value is kept once{as_likely}")
    kept = [index for index in range(len(written)) if index not in repeats]
    return [written[i] for i in kept], tuple(totals[i] for i in kept) if totals else ()


def _weights(fields: Fields, count: int) -> tuple[float, ...]:
    given = fields.keys.get("probabilities")
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) != count:
        why = f"must be a list of {count} numbers, one for each choice, found {short(given)}"
        fields.mistake("probabilities", f"probabilities {why}")
        return ()
    for index, weight in enumerate(given):
        if not is_number(weight) or not 0 <= weight <= 1:
            why = f"must be a number from 0 to 1, found {short(weight)}"
            fields.mistake("probabilities", f"probabilities[{index}] {why}", index)
    if fields.failed:
        return ()
    total = math.fsum(given)
    if abs(total - 1.0) > _SURE:
        fields.mistake("probabilities", f"the sum of the probabilities must be 1, found {total:g}")
    return tuple(map(float, given))


def _problem(value: Any) -> str | None:
    """Return why a value cannot be passed to a trial, or None."""
    if isinstance(value, Mapping):
        inner = [_problem(part) for pair in value.items() for part in pair]
        return next(filter(None, inner), None)
    if isinstance(value, list):
        return next(filter(None, map(_problem, value)), None)
    if isinstance(value, str):
        is_utf_8 = all(not "\ud800" <= letter <= "\udfff" for letter in value)
        if not is_utf_8 or "\0" in value:
            return f"{short(value)} cannot be an argument of a command"
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be finite, found {value}"
    if value is not None and not isinstance(value, (int, float)):
        return "must be a word, number, true/false, list or mapping"
    return None
