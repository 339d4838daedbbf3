"""Functions to minimise in the manner of BBOB, written from their definitions.

Definitions: Hansen et al., "Real-Parameter Black-Box Optimization Benchmarking 2009: Noiseless
Functions Definitions", INRIA RR-6829, without the transformations that only make them irregular
(T_osz, T_asy, boundary penalty) and without second rotations. Each takes z `(dim,)`, the place
seen from the optimum, and is 0 at z = 0 and above elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _powers(base: float, dim: int) -> Array:
    """base^0 ... base^1 over the axes, `(dim,)`."""
    return np.asarray(base ** (np.arange(dim) / max(dim - 1, 1)))


def sphere(z: Array) -> float:
    return float(z @ z)


def ellipsoid(z: Array) -> float:
    return float(_powers(1e6, len(z)) @ z**2)


def rastrigin(z: Array) -> float:
    z = _powers(np.sqrt(10.0), len(z)) * z
    return float(10.0 * (len(z) - np.cos(2.0 * np.pi * z).sum()) + z @ z)


def rosenbrock(z: Array) -> float:
    z = max(1.0, np.sqrt(len(z)) / 8.0) * z + 1.0
    return float((100.0 * (z[:-1] ** 2 - z[1:]) ** 2 + (z[:-1] - 1.0) ** 2).sum())


def discus(z: Array) -> float:
    return float(1e6 * z[0] ** 2 + z[1:] @ z[1:])


def bent_cigar(z: Array) -> float:
    return float(z[0] ** 2 + 1e6 * z[1:] @ z[1:])


def different_powers(z: Array) -> float:
    exponents = 2.0 + 4.0 * np.arange(len(z)) / max(len(z) - 1, 1)
    return float(np.sqrt((np.abs(z) ** exponents).sum()))


def sharp_ridge(z: Array) -> float:
    z = _powers(np.sqrt(10.0), len(z)) * z
    return float(z[0] ** 2 + 100.0 * np.sqrt(z[1:] @ z[1:]))


def schaffers(z: Array) -> float:
    z = _powers(np.sqrt(10.0), len(z)) * z
    s = np.sqrt(z[:-1] ** 2 + z[1:] ** 2)
    return float((np.sqrt(s) * (1.0 + np.sin(50.0 * s**0.2) ** 2)).mean() ** 2)


def griewank_rosenbrock(z: Array) -> float:
    z = max(1.0, np.sqrt(len(z)) / 8.0) * z + 1.0
    s = 100.0 * (z[:-1] ** 2 - z[1:]) ** 2 + (z[:-1] - 1.0) ** 2
    return float(10.0 * (s / 4000.0 - np.cos(s)).mean() + 10.0)


def attractive_sector(z: Array) -> float:
    z = _powers(np.sqrt(10.0), len(z)) * z
    return float((np.where(z > 0.0, 100.0 * z, z) ** 2).sum() ** 0.9)


def step_ellipsoid(z: Array) -> float:
    z = _powers(np.sqrt(10.0), len(z)) * z
    steps = np.where(np.abs(z) > 0.5, np.floor(0.5 + z), np.floor(0.5 + 10.0 * z) / 10.0)
    return float(0.1 * max(abs(z[0]) / 1e4, _powers(100.0, len(z)) @ steps**2))


def weierstrass(z: Array) -> float:
    z = _powers(0.1, len(z)) * z
    heights, waves = 0.5 ** np.arange(12), 3.0 ** np.arange(12)
    at_optimum = (heights * np.cos(np.pi * waves)).sum()
    ripples = (heights * np.cos(2.0 * np.pi * waves * (z[:, None] + 0.5))).sum(1)
    return float(10.0 * max(0.0, ripples.mean() - at_optimum) ** 3)


def gallagher(z: Array) -> float:
    """101 peaks, the highest at the optimum."""
    places, widths, heights = _peaks(len(z))
    squares = (widths * (z - places) ** 2).sum(1)
    return float((10.0 - (heights * np.exp(-0.5 / len(z) * squares)).max()) ** 2)


@functools.cache
def _peaks(dim: int) -> tuple[Array, Array, Array]:
    """Places and widths `(101, dim)` and heights `(101,)`."""
    rng = np.random.default_rng(dim)
    places = np.vstack([np.zeros(dim), rng.uniform(-5.0, 5.0, (100, dim))])
    conditions = np.append(1000.0, rng.permutation(1000.0 ** (2.0 * np.arange(100) / 99.0)))
    widths = [rng.permutation(_powers(c, dim)) / np.sqrt(np.sqrt(c)) for c in np.sqrt(conditions)]
    return places, np.array(widths), np.append(10.0, 1.1 + 8.0 * np.arange(100) / 99.0)


def levy(z: Array) -> float:
    """Waves in a bowl, from a list of classic test functions instead of BBOB's."""
    w = 1.0 + z / 2.0
    waves = ((w[:-1] - 1.0) ** 2 * (1.0 + 10.0 * np.sin(np.pi * w[:-1] + 1.0) ** 2)).sum()
    return float(np.sin(np.pi * w[0]) ** 2 + waves + (w[-1] - 1.0) ** 2)


def few_axes(z: Array) -> float:
    """A bowl in which only a quarter of the directions matter."""
    used = z[: max(2, len(z) // 4)]
    return float(used @ used)


FUNCTIONS: dict[str, Callable[[Array], float]] = {
    function.__name__: function
    for function in (
        sphere,
        ellipsoid,
        rastrigin,
        rosenbrock,
        discus,
        bent_cigar,
        different_powers,
        sharp_ridge,
        schaffers,
        griewank_rosenbrock,
    )
}
# For tuning, so that what the tables are about stays unseen.
TUNING: dict[str, Callable[[Array], float]] = {
    function.__name__: function
    for function in (
        attractive_sector,
        step_ellipsoid,
        weierstrass,
        gallagher,
        levy,
        few_axes,
    )
}
