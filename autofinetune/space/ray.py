"""Reads spaces of Ray Tune: `{"lr": tune.loguniform(1e-4, 1.0), "n": tune.randint(1, 5)}`.

Ray's own objects are recognized by the names of their classes and never imported (ray/tune/search/
sample.py, Ray 2.0 to 2.60). The upper bound of `randint` and `lograndint` is excluded, that of
`qrandint` included. `grid_search` is a choice. A nested value is called `outer.inner` in tables;
the trial gets it as a mapping.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .base import rounded
from .defined import SOURCE, Defined, Labels, plain
from .fields import Entry, Findings, Part
from .formats import read_entries
from .yaml_file import Document
from .yaml_values import Path_

_GRID = "grid_search"


def is_ray(value: Any) -> bool:
    """Return whether a mapping contains objects of Ray Tune."""
    if not isinstance(value, Mapping):
        return _kind(value) != ""
    is_grid = set(value) == {_GRID} and isinstance(value[_GRID], list)
    return is_grid or any(map(is_ray, value.values()))


def read_ray(given: Mapping[str, Any]) -> Defined:
    """Return the space of a mapping; raise ConfigError with all mistakes."""
    findings, labels = Findings(Document(SOURCE, given, {})), Labels()
    space = read_entries(_level(given, findings, labels, ()), findings)
    return Defined(space, labels.objects)


def _kind(value: Any) -> str:
    """Return the name of the class of one of Ray's objects, else an empty string."""
    kind = type(value)
    is_ours = kind.__module__.startswith("ray.tune") and hasattr(value, "get_sampler")
    return kind.__name__ if is_ours else ""


def _level(
    space: Mapping[str, Any], findings: Findings, labels: Labels, around: Path_
) -> Iterator[Entry]:
    for name, value in space.items():
        path = (*around, name)
        called = ".".join(map(str, path))
        if isinstance(value, Mapping) and value and set(value) != {_GRID}:
            yield from _level(value, findings, labels, path)
            continue
        part = Part(findings, path, called)
        fields = _fields(value, part)
        if fields is None:
            continue
        keys: dict[str, Any] = {"name": called, **fields}
        if around:
            keys["path"] = list(path)
        yield Entry(labels.in_entry(tuple(map(str, path)), keys), path, called)


def _fields(value: Any, part: Part) -> dict[str, Any] | None:
    if isinstance(value, Mapping) and value:
        return {"type": "choice", "choices": value[_GRID]}
    kind = _kind(value)
    if not kind:
        return {"type": "constant", "value": value}
    if kind == "Categorical":
        return {"type": "choice", "choices": list(value.categories)}
    sampler, quantum = value.get_sampler(), None
    if type(sampler).__name__ == "Quantized":
        sampler, quantum = sampler.get_sampler(), plain(sampler.q)
    how = type(sampler).__name__.strip("_")
    if kind not in ("Float", "Integer") or how not in ("Uniform", "LogUniform", "Normal"):
        part.mistake(
            f"{kind} of Ray Tune cannot be searched: its values are known only in a trial"
        )
        return None
    fields: dict[str, Any] = {"type": "int" if kind == "Integer" else "float"}
    if how == "Normal":
        fields |= {"distribution": "normal", "mean": sampler.mean, "deviation": sampler.sd}
        return fields | ({} if quantum is None else {"round_to": quantum})
    low, high = plain(value.lower), plain(value.upper)
    if kind == "Integer":
        quantum = None if quantum == 1 else quantum
        high -= quantum is None
    if how == "LogUniform":
        fields["log"] = True
    if quantum is not None:
        low, high = _inward(low, quantum, math.ceil), _inward(high, quantum, math.floor)
        fields["step" if (kind, how) == ("Integer", "Uniform") else "round_to"] = quantum
    if low == high:
        return {"type": "choice", "choices": [low]}
    return fields | {"greater_than": low, "lower_than": high}


def _inward(bound: float, quantum: float, toward: Callable[[float], int]) -> float:
    """Return the first multiple within a bound, which may be one but for its rounding."""
    multiple = bound / quantum
    nearest = round(multiple)
    number = nearest if math.isclose(multiple, nearest) else toward(multiple)
    return rounded(number * quantum) if isinstance(quantum, float) else number * quantum
