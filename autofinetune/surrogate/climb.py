"""Ascends an acquisition function from good points to the tops beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from .features import Features, Mask

Array = NDArray[np.float64]
ITERATIONS = 20


class Box(NamedTuple):
    """All points between two corners, `(dim,)` each."""

    low: Array
    high: Array


def climb(
    points: Array,
    features: Features,
    box: Box,
    value: Callable[[Array], Array],
    slope: Callable[[Array], tuple[Array, Array]],
) -> Array:
    """Points `(k, dim)`, none of lower value than the one of `points` that it came from.

    Ordered parameters are first moved together as if all were continuous; then those of few
    values step one at a time as long as that is better; then the smooth ones settle. What is not
    active at a point stays.

    Args:
        box: where smooth parameters may be moved to.
        value: of points `(m, dim)`, shape `(m,)`.
        slope: value and gradient by the features `(m, width)`: `(m,)` and `(m, width)`.
    """
    found = _ascend(points, features.ordered, features, box, slope)
    if not features.smooth.all():
        found = _step(found, features, value)
        found = _ascend(found, features.smooth, features, box, slope)
    # All points share one line search, in which one may be led astray by the others.
    is_better = value(found) > value(points)
    return np.where(is_better[:, None], found, points)


def _ascend(
    points: Array,
    free: Mask,
    features: Features,
    box: Box,
    slope: Callable[[Array], tuple[Array, Array]],
) -> Array:
    """All points at once by L-BFGS within the box; the `free` coordinates move."""
    if not free.any():
        return points
    fixed = features(points)
    columns = features.columns[free]
    shape = (len(points), len(columns))
    active = features.active(points)[:, free]
    low, high = (np.where(active, edge[free], fixed[:, columns]).ravel() for edge in box)

    def negative(flat: Array) -> tuple[float, Array]:
        x = fixed.copy()
        x[:, columns] = flat.reshape(shape)
        values, gradient = slope(x)
        return -float(values.sum()), -gradient[:, columns].ravel()

    done = scipy.optimize.minimize(
        negative,
        np.clip(points[:, free].ravel(), low, high),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(low, high, strict=True)),
        options={"maxiter": ITERATIONS},
    )
    moved = points.copy()
    moved[:, free] = np.where(active, done.x.reshape(shape), points[:, free])
    return moved


def _step(points: Array, features: Features, value: Callable[[Array], Array]) -> Array:
    """Single steps of parameters of few values, each point's best one first, until none is better.

    All points step together, so that the value of many is asked at once.
    """
    found, best = points.copy(), value(points)
    moving = list(range(len(points)))
    for _ in range(ITERATIONS):
        if not moving:
            break
        beside = [features.neighbours(found[i]) for i in moving]
        ends = np.cumsum([len(few) for few in beside])
        parts = np.split(value(np.concatenate(beside)), ends[:-1])
        still = []
        for i, few, values in zip(moving, beside, parts, strict=True):
            top = int(np.argmax(values))
            if values[top] > best[i]:
                found[i], best[i] = few[top], values[top]
                still.append(i)
        moving = still
    return found
