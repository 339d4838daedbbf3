"""TPE: tree of Parzen estimators, which searches where good trials are denser than bad ones.

Of the N trials in which a parameter was active, the best ceil(gamma sqrt(N)), but at most
linear_forgetting, are good, the others bad (Bergstra, Bardenet, Bengio and Kegl, "Algorithms for
Hyper-Parameter Optimization", NeurIPS 2011; the share is that of hyperopt). Values are drawn from
the density l of the good trials, and the one with the highest l(x) / g(x) is taken, where g is the
density of the bad trials.

* The density of a number is a mixture of normal distributions in the unit interval: one around
  each trial, as wide as the larger gap to its neighbours, and the prior N(1/2, 1), all truncated
  to [0, 1]. None is narrower than a twentieth: with narrow ones around the bad trials, the gaps
  between these would appear to be good.
* The probability of a choice is proportional to the weight of the trials with it plus
  `prior_weight`.
* The newest `linear_forgetting` trials have weight 1, older ones less, down to 1/n. (NNI, whose
  options these are, mistakenly gives less weight to the better of the bad trials instead.)
* A running trial counts with the result given by `constant_liar_type`.

The options are NNI's, with other defaults: NNI's (20 random trials, gamma 0.25, the best result
for running trials) find worse configurations with the same number of trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from autofinetune.space import Parameter

from .base import Candidate
from .history import LIAR_OPTIONS, Array, History, Seen, choose_in_order
from .options import Option
from .turns import Turns

PRIOR_MEAN, PRIOR_DEVIATION = 0.5, 1.0
NARROWEST = 20  # no density is narrower than the prior divided by this


class TPE(Turns):
    """Chooses one parameter after the other; see the module docstring."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **LIAR_OPTIONS,
        "n_startup_jobs": Option(10, "trials drawn at random first, running ones included", 0),
        "n_ei_candidates": Option(24, "values that are compared", 1, 100_000),
        "linear_forgetting": Option(25, "how many of the newest trials have full weight", 1),
        "prior_weight": Option(1.0, "of the prior, where one trial weighs 1", 1e-6, 1e6),
        "gamma": Option(0.7, "how many trials are good, in square roots of all", 1e-6, 1e6),
    }

    def _set_up(self) -> None:
        super()._set_up()
        self._history = History(self.space)

    def _learn(self, candidate: Candidate, merit: float) -> None:
        self._history.add(candidate, merit)

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        history = self._history.with_lies(self._unlearned, self.options)

        def choose(place: int, parameter: Parameter) -> float:
            seen = history.of(place)
            if len(seen.trials) < max(1, self.options["n_startup_jobs"]):
                return float(rng.random())
            good, bad = self._split(seen)
            if parameter.type_name == "choice":
                return self._choice(parameter, good, bad, rng)
            return self._near(good, bad, rng)

        return self._untried(choose_in_order(self.space, choose), rng)

    def _split(self, seen: Seen) -> tuple[Array, Array]:
        """Return the coordinates of the good and the bad trials, each in order of time."""
        count = math.ceil(self.options["gamma"] * math.sqrt(len(seen.merits)))
        is_good = np.zeros(len(seen.merits), dtype=bool)
        order = np.argsort(-seen.merits, kind="stable")
        is_good[order[: min(count, self.options["linear_forgetting"])]] = True
        return seen.coordinates[is_good], seen.coordinates[~is_good]

    def _choice(
        self, parameter: Parameter, good: Array, bad: Array, rng: np.random.Generator
    ) -> float:
        values = np.array([parameter.encode(value) for value in parameter.values()])
        likely, unlikely = (self._shares(values, coordinates) for coordinates in (good, bad))
        drawn = rng.choice(len(values), self.options["n_ei_candidates"], p=likely)
        return float(values[drawn[int(np.argmax(likely[drawn] / unlikely[drawn]))]])

    def _shares(self, values: Array, coordinates: Array) -> Array:
        """Return the probability of each choice, `(n,)`; `values` `(n,)` are their coordinates."""
        places = np.searchsorted(values, coordinates)
        counts = np.bincount(places, self._weights(len(places)), len(values))
        counts = counts + self.options["prior_weight"]  # not in place: empty counts are integers
        return np.asarray(counts / counts.sum())

    def _near(self, good: Array, bad: Array, rng: np.random.Generator) -> float:
        likely, unlikely = (self._mixture(coordinates) for coordinates in (good, bad))
        drawn = likely.draw(self.options["n_ei_candidates"], rng)
        gain = likely.log_density(drawn) - unlikely.log_density(drawn)
        return float(drawn[int(np.argmax(gain))])

    def _mixture(self, coordinates: Array) -> Mixture:
        weights = np.append(self._weights(len(coordinates)), self.options["prior_weight"])
        means = np.append(coordinates, PRIOR_MEAN)
        if len(means) == 1:  # no trials: the prior alone
            return Mixture(np.ones(1), means, np.array([PRIOR_DEVIATION]))
        order = np.argsort(means, kind="stable")
        gaps = np.diff(means[order])
        deviations = np.empty(len(means))
        deviations[order] = np.maximum(np.append(gaps[:1], gaps), np.append(gaps, gaps[-1:]))
        least = PRIOR_DEVIATION / min(NARROWEST, len(means) + 1)
        deviations = np.clip(deviations, least, PRIOR_DEVIATION)
        deviations[-1] = PRIOR_DEVIATION
        return Mixture(weights / weights.sum(), means, deviations)

    def _weights(self, count: int) -> Array:
        """Return the weights of trials in order of time, `(count,)`."""
        full = self.options["linear_forgetting"]
        if count <= full:
            return np.ones(count)
        return np.concatenate([np.linspace(1.0 / count, 1.0, count - full), np.ones(full)])


class Mixture(NamedTuple):
    """Normal distributions truncated to [0, 1], `(n,)` each; the weights sum to 1."""

    weights: Array
    means: Array
    deviations: Array

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Draw numbers in [0, 1], `(count,)`."""
        ndtr = scipy.special.ndtr
        low, high = ndtr(-self.means / self.deviations), ndtr((1 - self.means) / self.deviations)
        shares = self.weights * (high - low)
        parts: NDArray[np.intp] = rng.choice(len(shares), count, p=shares / shares.sum())
        share = low[parts] + rng.random(count) * (high - low)[parts]
        drawn = self.means[parts] + self.deviations[parts] * scipy.special.ndtri(share)
        return np.asarray(np.clip(drawn, 0.0, 1.0))

    def log_density(self, at: Array) -> Array:
        """Return the log density at points `(m,)`, up to a constant; shape `(m,)`."""
        z = (at[:, None] - self.means) / self.deviations
        # No underflow, as one component is the wide prior.
        return np.asarray(np.log(np.exp(-0.5 * z**2) @ (self.weights / self.deviations)))
