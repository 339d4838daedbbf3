"""Reads the parameters of a Katib experiment: `spec.parameters`, a list of mappings.

    double, int      feasibleSpace: {min, max}, optionally with step, counted from min
    categorical      feasibleSpace: {list: [...]}, words
    discrete         the same, numbers

`distribution` of a double or int is uniform, logUniform, normal or logNormal. The last two have
their mean in the middle of min and max and a sixth of the distance as standard deviation (of the
logarithms for logNormal), as Katib passes them to Hyperopt: one value in 370 lies beyond the
bounds. Numbers may be quoted, as they are in Katib's own files. Old experiments name a parameter
`--lr`, which is lr here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from autofinetune.errors import did_you_mean

from .base import is_number
from .fields import Entry, Findings, Part, short, unknown
from .yaml_values import Path_, plain_value

TYPES = ("double", "int", "categorical", "discrete")
DISTRIBUTIONS = ("uniform", "logUniform", "normal", "logNormal")
_KEYS = ("min", "max", "step", "distribution")
_WORDS = {"greater_than": "min", "lower_than": "max", "step": "step", "round_to": "step",
          "log": "logUniform", "choices": "list", "mean": "min", "deviation": "max"}  # fmt: skip


def is_katib(value: Any) -> bool:
    """Return whether a document is a Katib experiment."""
    return (
        isinstance(value, Mapping)
        and value.get("kind") == "Experiment"
        and str(value.get("apiVersion", "kubeflow.org/")).startswith("kubeflow.org/")
        and isinstance(value.get("spec"), Mapping)
    )


def katib_entries(value: Any, findings: Findings) -> Iterator[Entry]:
    """Yield the parameters in the order of the file."""
    parameters = value["spec"].get("parameters")
    if not isinstance(parameters, list) or not parameters:
        why = f"must be a list of at least one parameter, found {short(parameters)}"
        findings.mistake(("spec", "parameters"), f"spec.parameters {why}")
        return
    for index, spec in enumerate(parameters):
        entry = _entry(spec, ("spec", "parameters", index), findings)
        if entry is not None:
            yield entry


def _entry(spec: Any, path: Path_, findings: Findings) -> Entry | None:
    if not isinstance(spec, Mapping):
        why = f"must be a mapping of name, parameterType, feasibleSpace, found {short(spec)}"
        findings.mistake(path, f"spec.parameters[{path[-1]}]: {why}")
        return None
    name = str(spec.get("name", "")).lstrip("-") or None
    label = f"spec.parameters[{path[-1]}]{f' {name}' if name else ''}"[:80]
    spelt = {key.lower(): key for key in spec}
    kind = spec.get(spelt.get("parametertype", ""))
    feasible = spec.get(spelt.get("feasiblespace", "")) or {}
    if kind not in TYPES:
        part = Part(findings, (*path, spelt.get("parametertype", "parameterType")), label)
        part.mistake(f"parameterType {unknown(kind, TYPES)}")
        return None
    part = Part(findings, (*path, spelt.get("feasiblespace", "feasibleSpace")), label)
    if not isinstance(feasible, Mapping):
        part.mistake(f"feasibleSpace must be a mapping, found {short(feasible)}")
        return None
    fields: dict[str, Any] = {"type": "choice", "choices": feasible.get("list")}
    if kind in ("double", "int"):
        fields = _range(kind, feasible, part)
    elif kind == "discrete" and isinstance(feasible.get("list"), list):
        fields["choices"] = [_number(value) for value in feasible["list"]]
    allowed = _KEYS if kind in ("double", "int") else ("list",)
    for key in feasible:
        if key not in allowed:
            guess = did_you_mean(str(key)[:60], allowed)
            part.note(f"key {short(key)} has no meaning for {kind} and is ignored{guess}", key)
    if name is not None:
        fields["name"] = name
    places: dict[str, Path_] = {ours: (*part.path, word) for ours, word in _WORDS.items()}
    return Entry(fields, path, label, {"name": (*path, "name"), **places}, _WORDS)


def _range(kind: str, feasible: Mapping[str, Any], part: Part) -> dict[str, Any]:
    low, high, step = (_number(feasible.get(key)) for key in ("min", "max", "step"))
    how = feasible.get("distribution") or "uniform"
    if how not in DISTRIBUTIONS:
        part.mistake(f"distribution {unknown(how, DISTRIBUTIONS)}", "distribution")
        how = "uniform"
    fields: dict[str, Any] = {"type": "float" if kind == "double" else "int"}
    given = {"greater_than": low, "lower_than": high}
    fields |= {key: value for key, value in given.items() if value is not None}
    is_valid = is_number(low) and is_number(high)
    if is_valid and low == high and (step is None or is_number(step)):
        return {"type": "choice", "choices": [low]}
    if how == "logUniform":
        fields["log"] = True
    if step is not None:
        fields["round_to" if how != "uniform" else "step"] = step
    is_logarithmic = how == "logNormal"
    if not how.lower().endswith("normal") or not is_valid or low > high:
        return fields
    if is_logarithmic and low <= 0:
        return {**fields, "log": True}  # the mistake is reported as for logUniform
    ends = (math.log(low), math.log(high)) if is_logarithmic else (low, high)
    mean, deviation = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 6
    part.note(f"{how} has the mean {mean:.6g} and the deviation {deviation:.6g}"
              f"{' of the logarithm' if is_logarithmic else ''}, so one value in 370 lies beyond "
              "min and max", "distribution")  # fmt: skip
    fields = {"type": fields["type"], "distribution": "normal", "log": is_logarithmic,
              "mean": mean, "deviation": deviation}  # fmt: skip
    return fields | ({} if step is None else {"round_to": step})


def _number(value: Any) -> Any:
    """Return the number that a text holds, or any other value unchanged."""
    found = plain_value(value.strip()) if isinstance(value, str) else value
    return found if is_number(found) else value
