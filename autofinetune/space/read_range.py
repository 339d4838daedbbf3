"""Readers of the fields of numbers: bounds or distribution, step or quantum, initial value."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from .base import Parameter, exact
from .distributions import Beta, Distribution, Normal, Uniform
from .drawn import DrawnParameter, QuantizedParameter
from .fields import Fields
from .ranges import FloatParameter, IntParameter, SteppedFloatParameter

_MOST_MULTIPLES = 2**53  # a float cannot represent more


def read_range(fields: Fields, kind: str) -> Parameter | None:
    """Read a parameter of kind `float` or `int`; return None if it has mistakes."""
    how = fields.keys.get("distribution", "uniform")
    if how == "uniform" and "round_to" not in fields.keys:
        if "clip" in fields.keys:
            fields.mistake("clip", "clip is only allowed with round_to; give both or neither")
        return _plain(fields, kind)
    readers = {"uniform": _uniform, "normal": _normal, "beta": _beta}
    distribution = readers[how](fields)
    quantum = _quantum(fields, kind)
    init = _init(fields, kind)
    if fields.failed or distribution is None:
        return None
    if quantum is not None:
        return _quantized(fields, kind, distribution, quantum, init)
    drawn = DrawnParameter(fields.keys["name"], distribution, 0.0)
    return _with_init(fields, drawn, init, "is not a value of the distribution")


def _init(fields: Fields, kind: str) -> float | int | None:
    is_needed = fields.entry.is_own or "init_value" in fields.keys
    return fields.number("init_value", kind) if is_needed else None


def _with_init(fields: Fields, found: Any, init: float | None, why: str) -> Parameter | None:
    """Return the parameter with its initial value, or None if that is not one of its values."""
    parameter: Parameter = replace(found, init=found.decode(0.5) if init is None else init)
    try:
        parameter.encode(parameter.init)
    except ValueError:
        fields.mistake("init_value", f"init_value ({parameter.init}) {why}")
        return None
    return parameter


# --- between bounds -----------------------------------------------------------------------------


def _bounds(fields: Fields, kind: str) -> tuple[float | int, float | int, bool] | None:
    """Return the lower and the upper bound, and whether the scale is logarithmic."""
    low, high = fields.number("greater_than", kind), fields.number("lower_than", kind)
    log = fields.flag("log", default=False)
    if low is None or high is None:
        return None
    least, most = fields.word("greater_than"), fields.word("lower_than")
    if low >= high:
        single = "; a single value is a choice of one" if low == high else ""
        fields.mistake("greater_than", f"{least} ({low}) must be below {most} ({high}){single}")
    elif log and low <= 0:
        on_log = "with log: true" if fields.word("log") == "log" else "on a logarithmic scale"
        fields.mistake("greater_than", f"{least} ({low}) must be above 0 {on_log}")
    else:
        return low, high, log
    return None


def _plain(fields: Fields, kind: str) -> Parameter | None:
    """Read a number between bounds, possibly in steps from the lower one."""
    bounds = _bounds(fields, kind)
    init = _init(fields, kind)
    step = fields.positive("step", kind) if fields.keys.get("step") is not None else None
    if fields.failed or bounds is None:
        return None
    low, high, log = bounds
    if log and step is not None:
        fields.mistake("step", "step cannot be combined with log: true; leave out one of them")
    elif init is not None and not low <= init <= high:
        why = f"must be within [{low}, {high}], the bounds included"
        fields.mistake("init_value", f"init_value ({init}) {why}")
    elif step is not None and exact(step) > exact(high) - exact(low):
        fields.mistake("step", f"step ({step}) is wider than the range {low} to {high}")
    elif kind == "float" and step is not None and step < math.ulp(max(abs(low), abs(high))):
        fields.mistake("step", f"step ({step}) is too fine to tell numbers up to {high} apart")
    if fields.failed:
        return None
    name = fields.keys["name"]
    found: Parameter
    if kind == "int":
        found = IntParameter(name, int(low), int(high), int(low), log, int(step or 1))
    elif step is not None:
        found = SteppedFloatParameter(name, low, high, low, step)
    else:
        found = FloatParameter(name, low, high, low, log)
    return _with_init(fields, found, init, "is not on the grid greater_than + k * step")


# --- distributions ------------------------------------------------------------------------------


def _uniform(fields: Fields) -> Distribution | None:
    bounds = _bounds(fields, "float")
    if fields.keys.get("step") is not None:
        fields.mistake("step", "step cannot be combined with round_to; leave out one of them")
    return bounds and Uniform(*bounds)


def _normal(fields: Fields) -> Distribution | None:
    mean, deviation = fields.number("mean", "float"), fields.positive("deviation", "float")
    log = fields.flag("log", default=False)
    if mean is None or deviation is None:
        return None
    normal = Normal(mean, deviation, log)
    try:
        ends = normal.ends
    except OverflowError:
        ends = (0.0, math.inf)
    if not all(map(math.isfinite, ends)) or (log and ends[0] == 0.0):
        of = " of the logarithm" if log else ""
        both = f"{fields.word('mean')} ({mean}) and {fields.word('deviation')} ({deviation}){of}"
        fields.mistake("deviation", f"{both} give numbers too large or too small for a float")
    return normal


def _beta(fields: Fields) -> Distribution | None:
    a, b = fields.positive("a", "float"), fields.positive("b", "float")
    return None if a is None or b is None else Beta(a, b)


# --- multiples ----------------------------------------------------------------------------------


def _quantum(fields: Fields, kind: str) -> float | None:
    if "round_to" in fields.keys:
        return fields.positive("round_to", kind)
    return 1.0 if kind == "int" else None


def _quantized(
    fields: Fields, kind: str, distribution: Distribution, quantum: float, init: float | None
) -> Parameter | None:
    is_bounded = isinstance(distribution, Uniform)
    clip = fields.flag("clip", default=True) and is_bounded
    low, high = distribution.ends
    word = fields.word("round_to")
    if exact(max(abs(low), abs(high))) > exact(quantum) * _MOST_MULTIPLES:
        why = f"{word} ({quantum}) is too fine to tell numbers up to {high} apart"
        fields.mistake("round_to", why)
        return None
    found = QuantizedParameter(
        fields.keys["name"], distribution, float(quantum), clip, 0.0, type_name=kind
    )
    if clip and kind == "int" and (low != int(low) or high != int(high)):
        fields.mistake("clip", "bounds of type int must be whole numbers, or clip: false")
        return None
    if is_bounded and quantum > high - low:
        values = ", ".join(map(str, found.values()))
        why = f"is wider than the range, so the only values are: {values}"
        fields.note("round_to", f"{word} ({quantum:g}) {why}")
    ends = [found.at(0), found.at(found.size - 1)]
    beyond = " and ".join(str(end) for end in ends if not low <= end <= high)
    if is_bounded and beyond:
        why = f"are not clipped, so values beyond the bounds can be drawn: {beyond}"
        fields.note("round_to", f"multiples of {word} ({quantum:g}) {why}")
    return _with_init(fields, found, init, f"is not a multiple of {word} ({quantum}) in the range")
