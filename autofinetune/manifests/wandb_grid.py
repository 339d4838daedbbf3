"""The values that a grid search of Weights & Biases tries for each parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from autofinetune.space.base import is_number
from autofinetune.space.yaml_values import Path_

from .file import File

_MOST_VALUES = 10_000
_GRID = ("constant", "categorical", "categorical_w_probabilities", "int_uniform", "q_uniform")


def as_grid(file: File, level: Any, path: Path_) -> Any:
    """Return the parameters as W&B grids them: sorted by name, q_uniform in steps from min."""
    if not isinstance(level, Mapping):
        return level
    found: dict[str, Any] = {}
    for name in sorted(level):
        spec = level[name]
        if isinstance(spec, Mapping) and "parameters" in spec:
            inner = as_grid(file, spec["parameters"], (*path, name, "parameters"))
            found[name] = {**spec, "parameters": inner}
        elif isinstance(spec, Mapping):
            found[name] = _grid_values(file, spec, (*path, name))
        else:
            found[name] = spec
    return found


def _grid_values(file: File, spec: Mapping[str, Any], path: Path_) -> Mapping[str, Any]:
    how = spec.get("distribution")
    bounds = [spec.get("min"), spec.get("max")]
    if how == "q_uniform":
        return _steps(file, spec, path)
    is_open = any(type(bound) is float for bound in bounds) and "values" not in spec
    if (how is None and is_open) or (how is not None and how not in _GRID):
        file.mistake(path, f"{path[-1]}: a grid needs values, whole numbers or q_uniform")
    return spec


def _steps(file: File, spec: Mapping[str, Any], path: Path_) -> Mapping[str, Any]:
    """Return the values min, min + q, ... below max; leave a wrong spec for later checks."""
    low, high, q = (spec.get(key, 1.0 if key == "q" else None) for key in ("min", "max", "q"))
    if not (is_number(low) and is_number(high) and is_number(q) and low < high and q > 0):
        return spec
    count = math.ceil(min((high - low) / q, 1e9))
    if count > _MOST_VALUES:
        file.mistake(path, f"{path[-1]}: a grid of {count} values; at most {_MOST_VALUES}")
        return {"values": [low]}
    return {"values": [low + index * q for index in range(count)]}
