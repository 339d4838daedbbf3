"""What the searches with a population share: the first candidates, and no configuration twice.

By either schedule (`members.py`) a candidate depends on the seed, its number, the results learned
so far and the points that wait for theirs: nothing has to be chosen again when a search is
restored.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Value
from autofinetune.surrogate import LENGTH, TAIL, Screen

from .base import Candidate, Known
from .design import Design
from .members import Members
from .options import Option

Array = NDArray[np.float64]
_SMALL_SPACE = 20_000  # up to this many configurations the nearest untried one is looked up
_TRIES = 64
NOISY = 0.05  # share of noise in the variance of the scores
AGAIN_EVERY = 3
_TEMPERS = 5
_LEAST_DEMAND = 0.05  # in units of the most
POPULATION_OPTIONS: Mapping[str, Option] = {
    "design": Option(10, "trials spread over the space before the search begins", 0, 1000),
    "length": Option(LENGTH, "how smooth scores are expected to be, in ranges", 0.01, 100.0),
    "tail": Option(TAIL, "how much of the bad scores is told apart, in best - median", 0.1, 1e6),
    "demand": Option(0.2, "the most improvement a member looks for, in deviations", 0.0, 10.0),
}


class Population(Members):
    """Members that take turns; the first candidate of all is the initial values.

    Enqueued configurations follow, then a space-filling design, then what `_choose` makes of the
    results. `OPTIONS` must contain `POPULATION_OPTIONS`.
    """

    def _set_up(self) -> None:
        super()._set_up()
        self._screen = Screen(self.space, self.options["length"], self.options["tail"])
        self._design = Design(self.space.dim, self.popsize, self.seed, self.options["design"])
        self._seen: set[tuple[Value, ...]] = set()

    @abstractmethod
    def _choose(self, round_: int, member: int, rng: np.random.Generator) -> Array:
        """The next point of a member, `(dim,)`, when there are results to choose by.

        `self._number` is the candidate's.
        """

    @abstractmethod
    def _learn(self, candidate: Candidate, merit: float) -> None:
        """Take a result, after the surrogate did; NaN for a failed one."""

    def _begin(self, number: int) -> None:
        """Note that the candidate of this number is asked or restored now."""

    @property
    def _can_choose(self) -> bool:
        """Whether `_choose` has what it needs; until then the design goes on."""
        return len(self._screen) > 0

    # --- ask and tell ---------------------------------------------------------------------------

    def _take(self, candidate: Candidate) -> None:
        self._begin(candidate.id)
        super()._take(candidate)
        self._seen.add(self.space.key(candidate.params))

    def _learn_all(self, results: Sequence[tuple[Candidate, float | None]]) -> None:
        for told, score in results:
            merit = np.nan if score is None else score
            self._screen.add(np.array([told.point]), np.array([merit]))
            self._learn(told, merit)

    @property
    def _is_used_up(self) -> bool:
        size = self.space.size
        return size is not None and len(self._seen) >= size and not self.allow_repeats

    def remember(self, earlier: Sequence[Known]) -> None:
        super().remember(earlier)
        self._screen.add_source(*self._as_arrays(earlier))

    def _as_arrays(self, earlier: Sequence[Known]) -> tuple[Array, Array]:
        """Points `(n, dim)` and merits `(n,)`, NaN for failed ones."""
        points = np.array([self.space.encode(known.params) for known in earlier])
        merits = np.array([np.nan if k.merit is None else k.merit for k in earlier])
        return points.reshape(-1, self.space.dim), merits

    # --- the next candidate ---------------------------------------------------------------------

    def _next(self, member: int) -> Candidate:
        number, round_ = self._number, self._counts[member]
        given = [self.space.init_params, *self.enqueued]
        if number < len(given):
            return self._given_candidate(number, round_, member, given[number])
        rng = np.random.default_rng([self.seed, number])
        if self._design.covers(number) or not self._can_choose:
            point = self._design.point(number)
        else:
            point = self._choose(round_, member, rng)
            if self._is_time_to_look_again(round_, member):
                where = tuple(self._screen.incumbent().tolist())
                return Candidate(number, round_, member, where, self.space.decode(where))
        where = self._untried(np.clip(point, 0.0, 1.0), rng)
        return Candidate(number, round_, member, where, self.space.decode(where))

    def _pick(
        self, proposals: Array, low: Array | None = None, high: Array | None = None
    ) -> Array:
        """What promises most among and beside `proposals` `(n, dim)`; shape `(dim,)`.

        Args:
            low, high: the box that is not left, `(dim,)` each; the whole cube by default.
        """
        pending = [candidate.point for candidate in self._unlearned.values()]
        self._screen.begin(np.array(pending).reshape(-1, self.space.dim), self.popsize)
        self._screen.demand(self._demand)
        return self._screen.pick(proposals, low, high)

    def _is_time_to_look_again(self, round_: int, member: int) -> bool:
        """Every few rounds, train the supposed best once more if scores are noisy."""
        is_turn = member == self.popsize - 1 and round_ % AGAIN_EVERY == 0
        return is_turn and self._screen.is_fitted and self._screen.noise > NOISY

    @property
    def _demand(self) -> float:
        """How much improvement the next candidate looks for, in deviations of all scores.

        The first of some members polishes the best, the last one looks furthest away; in a
        population of fewer than `_TEMPERS` members these take turns.
        """
        cycle = max(_TEMPERS, self.popsize)
        most = self.options["demand"]
        tempers = [0.0, *(most * np.geomspace(_LEAST_DEMAND, 1.0, cycle - 1))]
        return float(tempers[self._number % cycle])

    def _given_candidate(
        self, number: int, round_: int, member: int, params: Mapping[str, Value]
    ) -> Candidate:
        """Exactly what was given, in the order of the space."""
        point = self.space.encode(params)
        ordered = {p.name: params[p.name] for p in self.space if self.space.is_active(p, params)}
        return Candidate(number, round_, member, point, ordered)

    # --- no configuration twice -----------------------------------------------------------------

    def _untried(self, point: Array, rng: np.random.Generator) -> tuple[float, ...]:
        """`point`, or one near it whose configuration was not asked before."""

        def is_seen(at: Array) -> bool:
            return self.space.key(self.space.decode(at.tolist())) in self._seen

        size = self.space.size
        if (size is not None and len(self._seen) >= size) or not is_seen(point):
            return tuple(point.tolist())
        if size is not None and size <= _SMALL_SPACE:
            return self._nearest_untried(point)
        near = point
        for attempt in range(1, _TRIES + 1):  # the neighbourhood grows up to the whole cube
            step = attempt / _TRIES * rng.uniform(-1.0, 1.0, point.shape)
            near = np.clip(point + step, 0.0, 1.0)
            if not is_seen(near):
                break
        return tuple(near.tolist())

    def _nearest_untried(self, point: Array) -> tuple[float, ...]:
        untried = [
            self.space.encode(params)
            for params in self.space.configurations()
            if self.space.key(params) not in self._seen
        ]
        distances = np.linalg.norm(np.array(untried) - point, axis=1)
        return untried[int(np.argmin(distances))]
