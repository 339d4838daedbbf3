"""Reads the parameters of a W&B sweep: `parameters: {name: {...}, ...}` in YAML or JSON.

    value                    a constant              values, probabilities    one of them
    min, max                 whole numbers, both included, if both are whole; otherwise uniform
    parameters               nested parameters; the trial gets them as a mapping

`distribution` is one of the table below. Those with q round to multiples of q, anchored at 0 and
not clipped, so that a value may lie up to q / 2 beyond the bounds; they give whole numbers if q is
written as one (its default is 1.0). In log_uniform, q_log_uniform and inv_log_uniform, which W&B
has deprecated, min and max are exponents of e. inv_log_uniform_values draws like
log_uniform_values, since its two inversions cancel out.

A nested parameter is called `outer.inner` on the command line and in tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from autofinetune.errors import did_you_mean

from .base import is_number
from .fields import Entry, Findings, Part, short, unknown
from .yaml_values import Path_

_BOUNDS, _MOMENTS, _SHAPE, _Q = ("min", "max"), ("mu", "sigma"), ("a", "b"), ("q",)
KEYS: Mapping[str, tuple[str, ...]] = {
    "constant": ("value",),
    "categorical": ("values",),
    "categorical_w_probabilities": ("values", "probabilities"),
    "int_uniform": _BOUNDS,
    "uniform": _BOUNDS,
    "q_uniform": _BOUNDS + _Q,
    "log_uniform": _BOUNDS,
    "log_uniform_values": _BOUNDS,
    "q_log_uniform": _BOUNDS + _Q,
    "q_log_uniform_values": _BOUNDS + _Q,
    "inv_log_uniform": _BOUNDS,
    "inv_log_uniform_values": _BOUNDS,
    "normal": _MOMENTS,
    "q_normal": _MOMENTS + _Q,
    "log_normal": _MOMENTS,
    "q_log_normal": _MOMENTS + _Q,
    "beta": _SHAPE,
    "q_beta": _SHAPE + _Q,
}
_DEFAULTS = {"mu": 0.0, "sigma": 1.0, "a": 1.0, "b": 1.0, "q": 1.0}
_OURS = {
    "min": "greater_than", "max": "lower_than", "mu": "mean", "sigma": "deviation",
    "a": "a", "b": "b", "q": "round_to", "value": "value", "values": "choices",
    "probabilities": "probabilities",
}  # fmt: skip
_WORDS = {ours: word for word, ours in _OURS.items()}
_OF_A_SWEEP = (
    "method", "metric", "metrics", "early_terminate", "run_cap", "command", "program", "name",
    "description", "project", "entity", "job", "image_uri", "controller", "scheduler",
    "apiVersion", "kind", "sweep_name", "sweep_max_count",
)  # fmt: skip


def is_sweep(value: Any) -> bool:
    """Return whether a document looks like a sweep."""
    return isinstance(value, Mapping) and "parameters" in value and "param_list" not in value


def sweep_entries(value: Any, findings: Findings) -> Iterator[Entry]:
    """Yield the parameters in the order of the file."""
    known = [key for key in value if key in _OF_A_SWEEP]
    if known:
        why = f"only the parameters of the sweep are read here, not {', '.join(known)}"
        findings.note((known[0],), why)
    for key in value:
        if key != "parameters" and key not in known:
            guess = did_you_mean(str(key)[:60], ("parameters", *_OF_A_SWEEP))
            findings.note((key,), f"key {short(key)} is unknown in a sweep and ignored{guess}")
    return _level(value["parameters"], Part(findings, ("parameters",), ""), ())


@dataclass(frozen=True)
class _Spec(Part):
    """One parameter of a sweep: its keys, and the path of its value in a trial."""

    keys: Mapping[str, Any]
    given: tuple[str, ...]


def _level(space: Any, around: Part, given: tuple[str, ...]) -> Iterator[Entry]:
    """Yield the parameters of one mapping; `given` names the parameters that contain it."""
    if not isinstance(space, Mapping) or not space:
        label = f"{around.label}: " if given else ""
        why = f"{label}parameters must be a mapping of names, found {short(space)}"
        around.findings.mistake(around.path, why)
        return
    for name, keys in space.items():
        path = (*given, name)
        spec = _Spec(around.findings, (*around.path, name), ".".join(path), keys, path)
        if isinstance(keys, Mapping):
            yield from _parameter(spec)
        else:
            spec.mistake("must be a mapping with value, values, min and max, distribution or "
                         f"parameters, found {short(keys)}")  # fmt: skip


def _parameter(spec: _Spec) -> Iterator[Entry]:
    if "parameters" in spec.keys:
        for key in spec.keys:
            if key != "parameters":
                spec.mistake(f"key {short(key)} is not allowed with parameters", key)
        inside = Part(spec.findings, (*spec.path, "parameters"), spec.label)
        yield from _level(spec.keys["parameters"], inside, spec.given)
        return
    how = _distribution(spec)
    if how is not None:
        allowed = (*KEYS[how], "distribution")
        for key in spec.keys:
            if key not in allowed:
                spec.mistake(f"key {unknown(key, allowed, f'is unknown for {how}; allowed')}", key)
        yield from _entry(spec, how)


def _distribution(spec: _Spec) -> str | None:
    keys = spec.keys
    if "distribution" in keys:
        how = keys["distribution"]
        if isinstance(how, str) and how in KEYS:
            return how
        spec.mistake(f"distribution {unknown(how, KEYS)}", "distribution")
        return None
    if "value" in keys:
        return "constant"
    if "values" in keys:
        return "categorical_w_probabilities" if "probabilities" in keys else "categorical"
    if "min" in keys or "max" in keys:
        bounds = [keys.get("min", 0), keys.get("max", 0)]
        return "int_uniform" if all(type(bound) is int for bound in bounds) else "uniform"
    found = ", ".join(map(short, keys)) or "nothing"
    spec.mistake(f"needs value, values, min and max, distribution or parameters, found: {found}")
    return None


def _entry(spec: _Spec, how: str) -> Iterator[Entry]:
    given = {key: spec.keys[key] for key in KEYS[how] if key in spec.keys}
    keys = {key: _DEFAULTS[key] for key in KEYS[how] if key in _DEFAULTS} | given
    fields = {_OURS[key]: value for key, value in keys.items()}
    by_exponents = "log_uniform" in how and not how.endswith("_values")
    if by_exponents and not _take_exponents(fields, spec, how):
        return
    fields |= {"name": spec.label, "type": _type(how, keys)}
    if "normal" in how or "beta" in how:
        fields["distribution"] = "normal" if "normal" in how else "beta"
    elif "q" in keys:
        fields["clip"] = False
    if "log" in how:
        fields["log"] = True
    if len(spec.given) > 1:
        fields["path"] = list(spec.given)
    places: dict[str, Path_] = {ours: (*spec.path, word) for ours, word in _WORDS.items()}
    words = {**_WORDS, "int": how, "log": how}
    yield Entry(fields, spec.path, spec.label, {"name": spec.path, **places}, words)


def _take_exponents(fields: dict[str, Any], spec: _Spec, how: str) -> bool:
    """Replace exponents of e by the bounds; return False if these are not finite.

    Other mistakes are left in place and reported later.
    """
    low, high = fields.get("greater_than"), fields.get("lower_than")
    if not (is_number(low) and is_number(high)) or low >= high:
        return True
    if how.startswith("inv_"):
        low, high = -high, -low
    try:
        bounds = math.exp(low), math.exp(high)
    except OverflowError:
        bounds = 0.0, math.inf
    if not bounds[0] < bounds[1] < math.inf or not bounds[0]:
        spec.mistake(f"{how} takes exponents of e, and e to the {low} or {high} is too large or "
                     "too small for a float; to give the bounds themselves use "
                     f"{how}_values")  # fmt: skip
        return False
    fields["greater_than"], fields["lower_than"] = bounds
    spec.note(f"{how} takes exponents of e, so the range is {bounds[0]:.6g} to {bounds[1]:.6g}; "
              f"to give the bounds themselves use {how}_values", "distribution")  # fmt: skip
    return True


def _type(how: str, keys: Mapping[str, Any]) -> str:
    if how.startswith("categorical"):
        return "choice"
    if how in ("constant", "int_uniform"):
        return how.removesuffix("_uniform")
    return "int" if type(keys.get("q")) is int else "float"
