"""The base of strategies with a population: first a design, then choices of a surrogate."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from autofinetune.surrogate import LENGTH, TAIL, CurveScreen

from .base import Known
from .curves import KnowsCurves
from .design import Design
from .options import Option
from .turns import Array

NOISY = 0.05  # scores are noisy if noise has a larger share of their variance
AGAIN_EVERY = 3  # rounds
_TEMPERS = 5
_LEAST_DEMAND = 0.05  # above 0, as a share of the largest
POPULATION_OPTIONS: Mapping[str, Option] = {
    "design": Option(10, "trials spread over the space before the search begins", 0, 1000),
    "length": Option(
        LENGTH, "of a range, by which scores are expected to change, for four ranges", 0.01, 100.0
    ),
    "tail": Option(TAIL, "how much of the bad scores is told apart, in best - median", 0.1, 1e6),
    "demand": Option(0.2, "the most improvement a member looks for, in deviations", 0.0, 10.0),
}


class Population(KnowsCurves):
    """Asks what is given, a design, then points of `_choose`; has `POPULATION_OPTIONS`."""

    def _set_up(self) -> None:
        super()._set_up()
        self._screen = CurveScreen(self.space, self.options["length"], self.options["tail"])
        self._design = Design(self.space.dim, self.popsize, self.seed, self.options["design"])

    @abstractmethod
    def _choose(self, round_: int, member: int, rng: np.random.Generator) -> Array:
        """Return the next point of a member, `(dim,)`; called once there are results."""

    @property
    def _can_choose(self) -> bool:
        return len(self._screen) > 0

    def remember(self, earlier: Sequence[Known]) -> None:
        super().remember(earlier)
        self._screen.add_source(*self._as_arrays(earlier))

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        if self._design.covers(self._number) or not self._can_choose:
            point = self._design.point(self._number)
        else:
            point = self._choose(round_, member, rng)
            if self._is_time_to_look_again(round_, member):
                return tuple(self._screen.incumbent().tolist())
        return self._untried(np.clip(point, 0.0, 1.0), rng)

    def _pick(
        self, proposals: Array, low: Array | None = None, high: Array | None = None
    ) -> Array:
        """Return the most promising point near `proposals` `(n, dim)`, from `low` to `high`."""
        self._screen.begin(self._pending(), self.popsize)
        self._screen.demand(self._demand)
        return self._screen.pick(proposals, low, high)

    def _is_time_to_look_again(self, round_: int, member: int) -> bool:
        """Return whether to retrain the presumed best: every few rounds, if scores are noisy."""
        is_turn = member == self.popsize - 1 and round_ % AGAIN_EVERY == 0
        if self._screen.has_curves:
            return False  # reports show the noise, and unfinished trials how it averages out
        return is_turn and self._screen.is_fitted and self._screen.noise > NOISY

    @property
    def _demand(self) -> float:
        """The improvement that the next candidate seeks, in standard deviations of all scores.

        The first member refines the best point, and the last one searches furthest away. In a
        population of fewer than `_TEMPERS` members the demands rotate.
        """
        cycle = max(_TEMPERS, self.popsize)
        most = self.options["demand"]
        tempers = [0.0, *(most * np.geomspace(_LEAST_DEMAND, 1.0, cycle - 1))]
        return float(tempers[self._number % cycle])
