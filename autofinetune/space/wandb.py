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
from typing import Any, TypeGuard

from autofinetune.errors import did_you_mean

from .fields import Entry, Findings, short
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
    "apiVersion", "kind",
)  # fmt: skip


def is_sweep(value: Any) -> bool:
    """Return whether a document looks like a sweep."""
    return isinstance(value, Mapping) and "parameters" in value and "param_list" not in value


def sweep_entries(value: Any, findings: Findings) -> Iterator[Entry]:
    """Yield the parameters in the order of the file."""
    known = [key for key in value if key in _OF_A_SWEEP]
    if known:
        findings.note(
            (known[0],), f"only the parameters of the sweep are read here, not {', '.join(known)}"
        )
    for key in value:
        if key != "parameters" and key not in known:
            guess = did_you_mean(str(key)[:60], ("parameters", *_OF_A_SWEEP))
            findings.note((key,), f"key {short(key)} is unknown in a sweep and ignored{guess}")
    return _Reader(findings).level(value["parameters"], ("parameters",), ())


@dataclass(frozen=True)
class _Spec:
    """One parameter of a sweep: its keys, its place, and the path of its value in a trial."""

    keys: Mapping[str, Any]
    path: Path_
    given: tuple[str, ...]

    @property
    def name(self) -> str:
        return ".".join(self.given)


class _Reader:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def level(self, space: Any, path: Path_, around: tuple[str, ...]) -> Iterator[Entry]:
        """Yield the parameters of one mapping; `around` names the parameters that contain it."""
        if not isinstance(space, Mapping) or not space:
            label = f"{'.'.join(around)}: " if around else ""
            why = f"{label}parameters must be a mapping of names, found {short(space)}"
            self._findings.mistake(path, why)
            return
        for name, keys in space.items():
            given = (*around, name)
            if isinstance(keys, Mapping):
                yield from self._parameter(_Spec(keys, (*path, name), given))
            else:
                self._findings.mistake(
                    (*path, name),
                    f"{'.'.join(given)}: must be a mapping with value, values, min and max, "
                    f"distribution or parameters, found {short(keys)}",
                )

    def _parameter(self, spec: _Spec) -> Iterator[Entry]:
        if "parameters" in spec.keys:
            for key in spec.keys:
                if key != "parameters":
                    self._mistake(spec, f"key {short(key)} is not allowed with parameters", key)
            inner = spec.keys["parameters"]
            yield from self.level(inner, (*spec.path, "parameters"), spec.given)
            return
        how = self._distribution(spec)
        if how is not None:
            self._check_keys(spec, how)
            yield from self._entry(spec, how)

    def _distribution(self, spec: _Spec) -> str | None:
        keys = spec.keys
        if "distribution" in keys:
            how = keys["distribution"]
            if isinstance(how, str) and how in KEYS:
                return how
            self._mistake(
                spec,
                f"distribution {short(how)} is unknown; use one of: {', '.join(KEYS)}"
                f"{did_you_mean(str(how)[:60], KEYS)}",
                "distribution",
            )
            return None
        if "value" in keys:
            return "constant"
        if "values" in keys:
            return "categorical_w_probabilities" if "probabilities" in keys else "categorical"
        if "min" in keys or "max" in keys:
            bounds = [keys.get("min", 0), keys.get("max", 0)]
            return "int_uniform" if all(type(bound) is int for bound in bounds) else "uniform"
        found = ", ".join(map(short, keys)) or "nothing"
        self._mistake(
            spec,
            f"needs value, values, min and max, distribution or parameters, found: {found}",
        )
        return None

    def _check_keys(self, spec: _Spec, how: str) -> None:
        allowed = (*KEYS[how], "distribution")
        for key in spec.keys:
            if key not in allowed:
                self._mistake(
                    spec,
                    f"key {short(key)} is unknown for {how}; allowed: {', '.join(allowed)}"
                    f"{did_you_mean(str(key)[:60], allowed)}",
                    key,
                )

    def _entry(self, spec: _Spec, how: str) -> Iterator[Entry]:
        given = {key: spec.keys[key] for key in KEYS[how] if key in spec.keys}
        keys = {key: _DEFAULTS[key] for key in KEYS[how] if key in _DEFAULTS} | given
        fields = {_OURS[key]: value for key, value in keys.items()}
        by_exponents = "log_uniform" in how and not how.endswith("_values")
        if by_exponents and not self._take_exponents(fields, spec, how):
            return
        fields |= {"name": spec.name, "type": _type(how, keys)}
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
        yield Entry(fields, spec.path, spec.name, {"name": spec.path, **places}, words)

    def _take_exponents(self, fields: dict[str, Any], spec: _Spec, how: str) -> bool:
        """Replace exponents of e by the bounds; return False if these are not finite.

        Other mistakes are left in place and reported later.
        """
        low, high = fields.get("greater_than"), fields.get("lower_than")
        if not (_is_finite(low) and _is_finite(high)) or low >= high:
            return True
        if how.startswith("inv_"):
            low, high = -high, -low
        try:
            bounds = math.exp(low), math.exp(high)
        except OverflowError:
            bounds = 0.0, math.inf
        if not bounds[0] < bounds[1] < math.inf or not bounds[0]:
            self._mistake(
                spec,
                f"{how} takes exponents of e, and e to the {low} or {high} is too large or too "
                f"small for a float; to give the bounds themselves use {how}_values",
            )
            return False
        fields["greater_than"], fields["lower_than"] = bounds
        self._findings.note(
            (*spec.path, "distribution"),
            f"{spec.name}: {how} takes exponents of e, so the range is {bounds[0]:.6g} to "
            f"{bounds[1]:.6g}; to give the bounds themselves use {how}_values",
        )
        return True

    def _mistake(self, spec: _Spec, why: str, *deeper: str) -> None:
        self._findings.mistake((*spec.path, *deeper), f"{spec.name}: {why}")


def _type(how: str, keys: Mapping[str, Any]) -> str:
    if how.startswith("categorical"):
        return "choice"
    if how in ("constant", "int_uniform"):
        return how.removesuffix("_uniform")
    return "int" if type(keys.get("q")) is int else "float"


def _is_finite(value: Any) -> TypeGuard[float]:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
