"""Chains of trials, each of which continues the model of the previous one, for a surrogate.

How much earlier hyperparameters of a chain count depends on the training: a bad start may be
forgotten at once, or count to the end. If f(x, age) is what a chain with the hyperparameters x
from the beginning scores, the score of any chain is modelled as

    (1 - s) f(x_last, age) + s mean(f(x_1, age), ..., f(x_last, age))

over its trials, for a share s from 0 to 1. Sums of a Gaussian process are Gaussian, so that
`SumProcess` needs no more than sums of its kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from .gp import GaussianProcess

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
PARTS = 4  # different hyperparameters of a chain that are told apart; earlier ones are averaged
_JITTER = 1e-8


@dataclass(frozen=True)
class Chains:
    """Some chains: features `x` `(n, PARTS, width)` of different hyperparameters, the last first.

    `trials` `(n, PARTS)` tells for how many trials each was used.
    """

    x: Array
    trials: Array

    @classmethod
    def unborn(cls, count: int, width: int) -> Chains:
        """Return so many chains without a trial."""
        return cls(np.zeros((count, PARTS, width)), np.zeros((count, PARTS)))

    @property
    def ages(self) -> Array:
        """The number of trials of each chain, `(n,)`."""
        return np.asarray(self.trials.sum(1))

    def continued(self, trials: float) -> Chains:
        """Return the chains after so many more trials without a change."""
        grown = self.trials.copy()
        grown[:, 0] += trials
        return Chains(self.x, grown)

    def changed(self, x: Array, trials: float) -> Chains:
        """Return the chains after so many more trials with new features `x` `(n, width)`."""
        total = self.trials[:, -2] + self.trials[:, -1]
        share = (self.trials[:, -1] / np.maximum(total, 1.0))[:, None]
        earliest = (1.0 - share) * self.x[:, -2] + share * self.x[:, -1]
        return Chains(
            np.concatenate([x[:, None], self.x[:, :-2], earliest[:, None]], axis=1),
            np.column_stack([np.full(len(x), trials), self.trials[:, :-2], total]),
        )

    def take(self, rows: Indices) -> Chains:
        return Chains(self.x[rows], self.trials[rows])

    def joined(self, *others: Chains) -> Chains:
        every = (self, *others)
        x, trials = [one.x for one in every], [one.trials for one in every]
        return Chains(np.concatenate(x), np.concatenate(trials))

    def weights(self, share: float) -> Array:
        """Return how much each part counts, `(n, PARTS)`, if its trials count by `share`."""
        found = share * self.trials / self.ages[:, None]
        found[:, 0] += 1.0 - share
        return np.asarray(found)

    def means(self, share: float) -> Array:
        """Return mean features and age, for a process of single points, `(n, width + 1)`."""
        mean = np.einsum("np,npw->nw", self.weights(share), self.x)
        return np.column_stack([mean, log_age(self.ages)])


def log_age(ages: Array) -> Array:
    return np.asarray(np.log10(ages))


def matern(distances: Array, signal: float) -> Array:
    """Return the kernel of `GaussianProcess` for nu = 5/2, in the shape of `distances`."""
    scaled = 5.0**0.5 * distances
    return np.asarray(signal * (1.0 + scaled * (1.0 + scaled / 3.0)) * np.exp(-scaled))


class SumProcess:
    """A Gaussian process over (features, `log_age`) that was observed as sums over chains.

    Args:
        y: targets with mean near 0 and standard deviation near 1, `(n,)`.
        theta: as in `GaussianProcess`.
        share: s, see the module docstring.
    """

    def __init__(self, chains: Chains, y: Array, theta: Array, share: float) -> None:
        self.theta, self.share = theta, share
        self._parts = _Parts(chains, share)
        self._points = GaussianProcess(self._parts.x, theta, np.empty((0, 0)), np.empty(0))
        kernel = self._cross(self._parts)
        kernel.flat[:: len(kernel) + 1] += np.exp(theta[-1]) + _JITTER
        self._lower = np.linalg.cholesky(kernel)
        self._alpha = scipy.linalg.cho_solve((self._lower, True), y, check_finite=False)
        self.log_likelihood = float(-0.5 * y @ self._alpha - np.log(np.diag(self._lower)).sum())

    def predict(self, chains: Chains) -> tuple[Array, Array]:
        """Return posterior mean and deviation (without noise) of `m` chains, `(m,)`."""
        parts = _Parts(chains, self.share)
        cross = self._cross(parts)
        solved = scipy.linalg.solve_triangular(
            self._lower, cross.T, lower=True, check_finite=False
        )
        variance = self._variance(chains, parts) - np.einsum("ij,ij->j", solved, solved)
        return cross @ self._alpha, np.sqrt(np.maximum(variance, 1e-12))

    def _cross(self, parts: _Parts) -> Array:
        """Return the covariance of chains and observations, `(m, n)`."""
        kernel = self._parts.summed(self._points.cross(parts.x))
        return parts.summed(kernel.T).T.copy()

    def _variance(self, chains: Chains, parts: _Parts) -> Array:
        """Return the prior variance of chains, `(m,)`."""
        signal = float(np.exp(self.theta[-2]))
        variance = np.full(parts.count, signal)
        if not parts.is_simple:
            mixed = np.flatnonzero(np.bincount(parts.rows, minlength=parts.count) > 1)
            weights = chains.weights(self.share)[mixed]
            scaled = chains.x[mixed] * np.exp(-self.theta[:-3])
            squares = ((scaled[:, :, None] - scaled[:, None]) ** 2).sum(-1)  # of equal age
            kernel = matern(np.sqrt(squares), signal)
            variance[mixed] = np.einsum("np,npq,nq->n", weights, kernel, weights)
        return variance


class _Parts:
    """The parts of chains that count: `x` `(k, width + 1)` and `weights` `(k,)`."""

    def __init__(self, chains: Chains, share: float) -> None:
        weights = chains.weights(share)
        counts = weights > 0.0
        self.count = len(weights)
        self.rows, part = np.nonzero(counts)
        self.x = np.column_stack([chains.x[self.rows, part], log_age(chains.ages)[self.rows]])
        self.weights = weights[counts]
        self.is_simple = len(self.rows) == self.count
        self._first = np.searchsorted(self.rows, np.arange(self.count))

    def summed(self, kernel: Array) -> Array:
        """Return the weighted sums of the columns of each chain, `(j, k)` to `(j, count)`."""
        if self.is_simple:
            return kernel
        return np.asarray(np.add.reduceat(kernel * self.weights, self._first, axis=1))
