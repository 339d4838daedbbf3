"""The probability that a trial succeeds, learned from which finished trials failed.

A multiple of its logarithm is added to the utility of a point. With log expected improvement and
the factor 1 that would be constrained expected improvement (Gardner et al., "Bayesian Optimization
with Inequality Constraints", ICML 2014; Gelbart et al., "Bayesian Optimization with Unknown
Constraints", UAI 2014), which keeps trying just beyond the limit where scores get better towards
it. Failed trials tell the process of scores nothing.

The log odds of success are a Gaussian process with fixed hyperparameters: large and with long
length scales, so that they are almost linear where they have to be. What needs more memory than
trials that ran out of it will fail, too, however far away it is. The posterior is Laplace's
approximation (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, section
3.4). Failures may also come by chance anywhere: all this counts as much as it is probable, by its
evidence (equation 3.32), against one unknown rate of failures for the whole space.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from .gp import GaussianProcess

Array = NDArray[np.float64]
# With shorter and smaller ones it predicts limits of memory and of the step of LCBench less well
# from few trials, or is misled more by failures by chance.
STRETCH = 4.0  # how much longer its length scales are than those expected of scores
SIGNAL = 300.0  # prior variance of the log odds
CAUTION = 10.0  # a failure costs a whole trial; with 1, every fourth fails at a limit
_STEPS = 50
_PARTS = 1.0, 0.3, 0.1  # of a step of Newton's method
_CLOSE = 1e-6


class Feasible:
    """Learns from trials at features `x` `(n, width)`; `failed` `(n,)` are booleans.

    `lengths` `(width,)` are the length scales expected of scores.
    """

    def __init__(self, x: Array, failed: NDArray[np.bool_], lengths: Array) -> None:
        theta = np.concatenate([np.log(STRETCH * lengths), [np.log(SIGNAL), 0.0]])
        prior = GaussianProcess(x, theta, np.eye(len(x)), np.zeros(len(x))).cross(x)
        odds = _mode(prior, ~failed)
        chance = scipy.special.expit(odds)
        share = scipy.special.expit(_evidence(prior, odds, failed) - _evidence_of_chance(failed))
        self._weight = CAUTION * float(share)
        spread = np.diag(1.0 / np.maximum(chance * (1.0 - chance), 1e-9))
        lower = np.linalg.cholesky(prior + spread).astype(np.float64)
        self._gp = GaussianProcess(x, theta, lower, ~failed - chance)

    def utility(self, x: Array) -> Array:
        """Return a multiple of the log probability of success at features `(m, width)`; `(m,)`."""
        mean, deviation = self._gp.predict(x)
        return np.asarray(self._weight * scipy.special.log_expit(mean / _widening(deviation)))

    def slope(self, x: Array) -> tuple[Array, Array]:
        """Return `utility` and its gradient, `(m, width)`."""
        mean, deviation, mean_slope, deviation_slope = self._gp.slopes(x)
        widening = _widening(deviation)
        z = mean / widening
        by_deviation = -z * np.pi / 8.0 * deviation / widening**2
        slope = mean_slope / widening[:, None] + by_deviation[:, None] * deviation_slope
        value = self._weight * scipy.special.log_expit(z)
        return value, self._weight * scipy.special.expit(-z)[:, None] * slope


def _widening(deviation: Array) -> Array:
    """Return by what log odds are to be divided for their mean probability (MacKay, 1992)."""
    return np.sqrt(1.0 + np.pi / 8.0 * deviation**2)


def _evidence(prior: Array, odds: Array, failed: NDArray[np.bool_]) -> float:
    """Return the log probability of the labels under the process with its mode at `odds`."""
    chance = scipy.special.expit(odds)
    root = np.sqrt(chance * (1.0 - chance))
    inner = np.eye(len(odds)) + root[:, None] * prior * root
    likely = scipy.special.log_expit(np.where(failed, -odds, odds)).sum()
    return float(likely - 0.5 * (~failed - chance) @ odds - 0.5 * np.linalg.slogdet(inner)[1])


def _evidence_of_chance(failed: NDArray[np.bool_]) -> float:
    """Return the log probability of the labels if all trials fail at one rate, from 0 to 1."""
    return float(scipy.special.betaln(failed.sum() + 1, (~failed).sum() + 1))


def _mode(prior: Array, ran: NDArray[np.bool_]) -> Array:
    """Return the most probable log odds, `(n,)`, by Newton's method with a line search."""
    signs = np.where(ran, 1.0, -1.0)
    weights, odds = np.zeros(len(ran)), np.zeros(len(ran))

    def value(weights: Array, odds: Array) -> float:
        return float(scipy.special.log_expit(signs * odds).sum() - 0.5 * weights @ odds)

    best = value(weights, odds)
    for _ in range(_STEPS):
        chance = scipy.special.expit(odds)
        root = np.sqrt(chance * (1.0 - chance))
        target = root**2 * odds + ran - chance
        inner = np.eye(len(ran)) + root[:, None] * prior * root
        step = target - root * np.linalg.solve(inner, root * (prior @ target)) - weights
        for part in _PARTS:
            next_weights = weights + part * step
            next_odds = prior @ next_weights
            found = value(next_weights, next_odds)
            if found > best + _CLOSE:
                break
        else:
            break  # no step is better
        weights, odds, best = next_weights, next_odds, found
    return odds
