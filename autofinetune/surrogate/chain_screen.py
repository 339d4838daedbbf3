"""Predicts how chains of trials go on, and what that promises.

A Gaussian process (`chains.py`) learns the scores of all finished trials by hyperparameters and
age. Scores rise with age as -c age^-p, where c and p have the least absolute error for the gains
of chains that did not change; the process learns what is left. Nobody knows beforehand whether a
bad start counts to the end: each share s of `SHARES` weighs as much as its marginal likelihood
(Rasmussen and Williams, equation 2.30) says, and all weigh the same before any chain has changed.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Space

from .chains import Chains, SumProcess
from .features import LENGTH, Features
from .gp import fit
from .screen import clipped, fit_iterations, most_telling
from .utility import log_expected_improvement

Array = NDArray[np.float64]
SHARES = (0.0, 0.5, 1.0)
POWERS = (0.5, 1.0, 2.0)  # p
AGE_LENGTH = 1.0  # the prior length scale of the logarithm of the age to base 10
MOST_ROWS = 200
_LEAST_WEIGHT = 0.01


class ChainScreen:
    """A surrogate of chains; the methods below `begin` may be called after it."""

    def __init__(self, space: Space) -> None:
        self.features = Features(space)
        self._chains = Chains.unborn(0, self.features.width)
        self._merits = np.empty(0)
        self._gains: list[tuple[int, float]] = []
        self._is_any_changed = False
        self._rise = (0.0, 1.0)  # c, p
        self._loc, self._unit, self._target = 0.0, 1.0, 0.0
        self._demand = 0.0
        self._fitted = 0  # how many trials the hyperparameters were fitted to
        self._thetas: list[Array] = []
        self._conditioned = 0  # how many trials are in `_known`
        self._known: list[tuple[float, SumProcess]] = []
        self._processes: list[tuple[float, SumProcess]] = []  # with log weights

    def __len__(self) -> int:
        return len(self._merits)

    def add(self, chain: Chains, merit: float, before: float | None, is_changed: bool) -> None:
        """Add the result of the last trial of one chain.

        Args:
            merit: NaN for a failed trial.
            before: the merit of the trial that it continued, None if it began from scratch.
        """
        self._chains = self._chains.joined(chain)
        self._merits = np.append(self._merits, merit)
        self._is_any_changed |= is_changed
        if before is not None and not is_changed and not math.isnan(merit):
            self._gains.append((int(chain.ages[0]) - 1, merit - before))

    def begin(self, pending: Chains, period: int = 1) -> None:
        """Learn from all that was added; `pending` chains count with their expected merits.

        Args:
            period: refit the hyperparameters, which is the slowest part, after this many trials.
        """
        # All this depends on the results alone, so there is nothing to restore.
        fitted = len(self) // period * period or len(self)
        if self._fitted != fitted:
            self._fit(fitted)
            self._conditioned = 0
        if self._conditioned != len(self):
            chains, y = self._data(len(self))
            self._known = self._weighed(chains, y)
            self._conditioned = len(self)
        self._processes = self._known
        chains, y = self._data(len(self))
        self._target = float(self.expected(chains).max())
        if len(pending.x):
            self._target = max(self._target, float(self.expected(pending).max()))
            every = chains.joined(pending)
            self._processes = [
                (weight, SumProcess(every, np.append(y, process.predict(pending)[0]),
                                    process.theta, process.share))
                for weight, process in self._known
            ]  # fmt: skip

    def expected(self, chains: Chains) -> Array:
        """Return the expected merits of chains, `(n,)`."""
        means = [process.predict(chains)[0] for _, process in self._processes]
        weights = np.exp([weight for weight, _ in self._processes])
        mean = np.average(means, axis=0, weights=weights)
        return np.asarray(self._loc + self._unit * mean + self._risen(chains.ages))

    def demand(self, improvement: float) -> None:
        """Count only improvements by more than this many standard deviations of all scores."""
        self._demand = improvement

    def promise(self, chains: Chains) -> Array:
        """Return the log expected improvement over the best expected merit of all, `(n,)`."""
        best = (self._target - self._loc - self._risen(chains.ages)) / self._unit + self._demand
        parts = []
        for weight, process in self._processes:
            mean, deviation = process.predict(chains)
            parts.append(weight + log_expected_improvement(mean - best, deviation, 0.0))
        return np.asarray(np.logaddexp.reduce(parts))

    @property
    def shares(self) -> dict[float, float]:
        """The probability of each share s."""
        return {process.share: math.exp(weight) for weight, process in self._processes}

    def _fit(self, count: int) -> None:
        """Fit to the first `count` trials as if s were 1, and as if it were the likeliest one."""
        chains, y = self._data(count)
        lengths = np.append(self.features.lengths(LENGTH), AGE_LENGTH)
        fitted = functools.partial(fit, y=y, iterations=fit_iterations(len(y)), lengths=lengths)
        self._thetas = [fitted(chains.means(1.0)).theta]
        if self._is_any_changed:
            _, best = max(self._weighed(chains, y), key=lambda one: one[0])
            if best.share < 1.0:
                self._thetas.append(fitted(chains.means(best.share)).theta)
        self._fitted = count

    def _weighed(self, chains: Chains, y: Array) -> list[tuple[float, SumProcess]]:
        """Return log weight and process for each share s that matters."""
        found = []
        for share in SHARES:
            fitting = [SumProcess(chains, y, theta, share) for theta in self._thetas]
            found.append(max(fitting, key=lambda process: process.log_likelihood))
        likely = np.array([process.log_likelihood for process in found])
        weights = likely - np.logaddexp.reduce(likely)
        matter = weights > math.log(_LEAST_WEIGHT)
        kept = [process for process, is_kept in zip(found, matter, strict=True) if is_kept]
        return list(zip(weights[matter].tolist(), kept, strict=True))

    def _data(self, count: int) -> tuple[Chains, Array]:
        """Return the chains of the first `count` trials to learn from, and targets `(n,)`."""
        self._rise = _rise(self._gains)
        merits = self._merits - self._risen(self._chains.ages)
        chosen = most_telling(merits[:count], MOST_ROWS)
        values = clipped(merits[chosen])
        self._loc, self._unit = float(values.mean()), float(values.std()) or 1.0
        return self._chains.take(chosen), (values - self._loc) / self._unit

    def _risen(self, ages: Array) -> Array:
        slope, power = self._rise
        return np.asarray(-slope * ages**-power)


def _rise(gains: list[tuple[int, float]]) -> tuple[float, float]:
    """Return c and p by the gains of single trials, each with the age before it."""
    if not gains:
        return 0.0, 1.0
    ages, rises = np.array(gains, dtype=float).T
    fits = []
    for power in POWERS:
        basis = ages**-power - (ages + 1.0) ** -power
        slope = max(0.0, _weighted_median(rises / basis, basis))
        fits.append((float(np.abs(rises - slope * basis).sum()), slope, power))
    _, slope, power = min(fits)
    return slope, power


def _weighted_median(values: Array, weights: Array) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2.0)])
