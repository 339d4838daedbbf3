"""Regret, ranks and their confidence intervals. Arrays are (task, seed, method) or named so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .task import Scale

Array = NDArray[np.float64]
RESAMPLES = 2000


def regret_curve(scores: Sequence[float] | Array, trials: int, scale: Scale) -> Array:
    """Normalised regret of the best score so far after each trial, shape `(trials,)`.

    A search that ended early keeps its last value; one that never gave a score has 1.
    """
    best = np.maximum.accumulate(np.asarray(scores[:trials], np.float64))
    curve = (scale.best - best) / (scale.best - scale.median)
    last = curve[-1] if len(curve) else 1.0
    return np.concatenate([curve, np.full(trials - len(curve), last)])


def ranks(values: Array) -> Array:
    """Ranks along the last axis from 1 (lowest value); equal values share the mean of theirs."""
    others, own = values[..., None, :], values[..., :, None]
    below = np.count_nonzero(others < own, axis=-1)
    equal = np.count_nonzero(others == own, axis=-1)
    return np.asarray(below + (equal + 1) / 2.0)


def bootstrap(values: Array, seed: int = 0) -> tuple[Array, Array]:
    """The 95 % interval of the mean over tasks and seeds, of values `(task, seed, ...)`.

    Tasks are drawn with replacement, then the seeds of each drawn task, the same seeds for all
    that follows those axes, so comparisons stay paired.
    """
    rng = np.random.default_rng(seed)
    n_tasks, n_seeds = values.shape[:2]
    means = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(n_tasks, size=(n_tasks,))
        seeds = rng.integers(n_seeds, size=(n_tasks, n_seeds))
        means.append(values[drawn[:, None], seeds].mean(axis=(0, 1)))
    low, high = np.percentile(np.array(means), [2.5, 97.5], axis=0)
    return np.asarray(low), np.asarray(high)


def wins(ours: Array, theirs: Array, tolerance: float = 1e-3) -> tuple[int, int, int]:
    """(won, tied, lost) of paired regrets; closer than `tolerance` is a tie."""
    difference = theirs - ours
    won, lost = int((difference > tolerance).sum()), int((difference < -tolerance).sum())
    return won, int(difference.size) - won - lost, lost
