"""Means with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000


def interval(values: Sequence[float], digits: int) -> str:
    """Return the mean and its 95 % interval, of bootstrap samples."""
    array = np.array(values)
    picks = np.random.default_rng(0).integers(len(array), size=(RESAMPLES, len(array)))
    low, high = np.quantile(array[picks].mean(axis=1), [0.025, 0.975])
    return f"{array.mean():.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
