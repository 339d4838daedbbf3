"""Utilities (acquisition functions) of points by the posterior there; higher is better.

A utility takes the posterior mean and standard deviation `(m,)` at some points and the score to
exceed. It returns its value and the derivatives of the value, `(m,)` each, by z = (mean - best) /
deviation and by the log of the deviation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]
Utility = Callable[[Array, Array, float], tuple[Array, Array, Array]]
_LOG_ROOT_2PI = 0.5 * np.log(2.0 * np.pi)
_LARGEST = 700.0  # exp overflows for arguments not much larger


def log_improvement(mean: Array, deviation: Array, best: float) -> tuple[Array, Array, Array]:
    """Return log expected improvement and its derivatives."""
    value = log_expected_improvement(mean, deviation, best)
    # d log(deviation h(z)), where h = phi + z Phi and h' = Phi
    log_ratio = scipy.special.log_ndtr((mean - best) / deviation) - (value - np.log(deviation))
    return value, np.exp(np.clip(log_ratio, -_LARGEST, _LARGEST)), np.ones_like(mean)


def log_probability(mean: Array, deviation: Array, best: float) -> tuple[Array, Array, Array]:
    """Return the log probability of an improvement and its derivatives."""
    z = (mean - best) / deviation
    value = scipy.special.log_ndtr(z)
    log_ratio = -0.5 * z**2 - _LOG_ROOT_2PI - value
    return value, np.exp(np.minimum(log_ratio, _LARGEST)), np.zeros_like(mean)


def upper_bound(kappa: float) -> Utility:
    """Return the utility mean plus `kappa` standard deviations."""

    def value(mean: Array, deviation: Array, best: float) -> tuple[Array, Array, Array]:
        bound = mean + kappa * deviation
        return bound, deviation, bound - best

    return value


def uncertainty(mean: Array, deviation: Array, best: float) -> tuple[Array, Array, Array]:
    """Return the standard deviation alone, and its derivatives."""
    return deviation, np.zeros_like(mean), deviation


def log_expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """Return log E[max(0, f - best)] for f ~ N(mean, deviation^2), stable far below `best`."""
    z = (mean - best) / deviation
    near = z > -1.0
    result = np.empty_like(z)
    density = np.exp(-0.5 * z[near] ** 2 - _LOG_ROOT_2PI)
    result[near] = np.log(density + z[near] * np.exp(scipy.special.log_ndtr(z[near])))
    far = z[~near]
    # log(phi(z) + z Phi(z)) = log phi(z) + log1p(z Phi(z) / phi(z))
    ratio = scipy.special.log_ndtr(far) + 0.5 * far**2 + _LOG_ROOT_2PI
    small = far < -1e3
    inner = np.where(small, -2.0 * np.log(np.abs(far)), 0.0)
    inner[~small] = np.log1p(np.clip(-np.abs(far[~small]) * np.exp(ratio[~small]), -1 + 1e-16, 0))
    result[~near] = -0.5 * far**2 - _LOG_ROOT_2PI + inner
    return np.asarray(result + np.log(deviation))
