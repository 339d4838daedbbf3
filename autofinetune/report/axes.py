"""The axes of hyperparameters in plots: a scale, and every value as a number on it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import ChoiceParameter, Parameter, Space, as_text
from autofinetune.visible import visible

_LEAST_RATIO = 20.0  # between the ends of an axis that is worth a logarithmic scale


def axis_of(space: Space, parameter: Parameter) -> dict[str, Any]:
    """Return the axis as plain data.

    `scale` is `linear`, `log` or `choice`; an axis of a choice has `labels`, and its values are
    their indices. `only_if` says in words when a conditional parameter is active.
    """
    axis: dict[str, Any] = {"name": visible(parameter.name), "scale": _scale(parameter)}
    if isinstance(parameter, ChoiceParameter):
        axis["labels"] = [visible(as_text(choice)) for choice in parameter.choices]
    condition = parameter.condition
    if condition:
        parent = space.parents[condition.parent]
        values = [visible(as_text(parent.choices[index])) for index in condition.indices]
        axis["only_if"] = f"{visible(parent.name)} = {' or '.join(values)}"
    return axis


def _scale(parameter: Parameter) -> str:
    """Return the scale on which the middle of the distribution is nearest to that of the axis."""
    if isinstance(parameter, ChoiceParameter):
        return "choice"
    low, middle, high = (parameter.as_number(parameter.decode(u)) for u in (0.02, 0.5, 0.98))
    if not 0.0 < low < high or high / low < _LEAST_RATIO:
        return "linear"
    middle = min(max(middle, low), high)
    linear = (middle - low) / (high - low)
    log = math.log(middle / low) / math.log(high / low)
    return "log" if abs(log - 0.5) < abs(linear - 0.5) else "linear"


def numbers_at(parameter: Parameter, coordinates: NDArray[np.float64]) -> list[float]:
    """Return the values at coordinates in [0, 1], `(n,)`, as numbers on the axis."""
    return [parameter.as_number(parameter.decode(float(u))) for u in coordinates]
