"""Climbs from good points to nearby maxima of an acquisition function."""

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
    """Climb from points to nearby maxima.

    Ordered parameters are first moved together as if all were continuous; then parameters with few
    values step one at a time while that is better; then the smooth parameters are moved again.
    Parameters that are inactive at a point stay unchanged.

    Args:
        points: the starting points, `(k, dim)`.
        box: where ordered parameters may be moved to.
        value: gives the values `(m,)` of points `(m, dim)`.
        slope: gives values `(m,)` and gradients `(m, width)` by the features `(m, width)`.

    Returns:
        Points `(k, dim)`, none of a lower value than its starting point.
    """
    found = _ascend(points, features.ordered, features, box, slope)
    if not features.smooth.all():
        found = _step(found, features, value)
        found = _ascend(found, features.smooth, features, box, slope)
    # All points share one line search, so a single point may end up worse than it started.
    is_better = value(found) > value(points)
    return np.where(is_better[:, None], found, points)


def _ascend(
    points: Array,
    free: Mask,
    features: Features,
    box: Box,
    slope: Callable[[Array], tuple[Array, Array]],
) -> Array:
    """Move the `free` coordinates of all points at once by L-BFGS within the box."""
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
    """Take each point's best step of a parameter with few values, all at once, while better."""
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
