"""What the strategies of whole rounds share: members are chosen when the round before is told.

Candidates come from results sorted by member, never by arrival, so the order in which trials
finish does not change the search.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Value
from autofinetune.surrogate import LENGTH, TAIL, Screen

from .base import Candidate, Exhausted, Known, Strategy
from .options import Option

Array = NDArray[np.float64]
_SMALL_SPACE = 20_000  # up to this many configurations the nearest untried one is looked up
_TRIES = 64
NOISY = 0.05  # share of noise in the variance of the scores
AGAIN_EVERY = 3
_TEMPERS = 5
_LEAST_DEMAND = 0.05  # in units of the most
SURROGATE_OPTIONS: Mapping[str, Option] = {
    "length": Option(LENGTH, "how smooth scores are expected to be, in ranges", 0.01, 100.0),
    "tail": Option(TAIL, "how much of the bad scores is told apart, in best - median", 0.1, 1e6),
    "demand": Option(0.2, "the most improvement a member looks for, in deviations", 0.0, 10.0),
}


class RoundStrategy(Strategy):
    """Asks `popsize` candidates a round; the first candidate of all is the initial values.

    `OPTIONS` must contain `SURROGATE_OPTIONS`.
    """

    def _set_up(self) -> None:
        self._screen = Screen(self.space, self.options["length"], self.options["tail"])
        self._round = -1
        self._first_id = 0  # of the current round
        self._members = 0  # of the current round
        self._given = 0  # how many of them were asked
        self._chosen: list[Candidate] = []  # all of them, or only restored ones
        self._waiting: dict[int, Candidate] = {}
        self._results: list[tuple[Candidate, float | None]] = []
        self._seen: set[tuple[Value, ...]] = set()  # in earlier rounds
        self._again: set[int] = set()  # members of this round that shall be a known configuration

    @abstractmethod
    def _choose(self, rng: np.random.Generator) -> Array:
        """The points of the current round, shape `(popsize, dim)`.

        Initial values and enqueued configurations take the place of the first ones.
        """

    @abstractmethod
    def _learn(self, points: Array, merits: Array) -> None:
        """Take a whole round: `points` `(members, dim)`, `merits` `(members,)`, NaN for failed.

        There are `popsize` members, or fewer where a finite space was used up. Whether `_choose`
        was called for them or they were restored must make no difference.
        """

    def ask(self, n: int) -> list[Candidate]:
        if not self._is_open():
            self._begin_round()
        if self._given < self._members and len(self._chosen) < self._members:
            self._fill_round()
        given = self._chosen[self._given : self._given + n]
        self._given += len(given)
        self._waiting.update((candidate.id, candidate) for candidate in given)
        return given

    def restore(self, candidate: Candidate) -> None:
        if not self._is_open():
            self._begin_round()
        place = (self._first_id + self._given, self._round, self._given)
        found = (candidate.id, candidate.round, candidate.member)
        if found != place or self._given >= self._members or len(self._chosen) > self._given:
            raise ValueError(f"candidate {found} cannot come here, expected {place}")
        self._chosen.append(candidate)
        self._given += 1
        self._waiting[candidate.id] = candidate

    def tell(self, candidate: Candidate, score: float | None) -> None:
        self._check_waiting(candidate.id in self._waiting, candidate, score)
        self._results.append((self._waiting.pop(candidate.id), score))
        if len(self._results) == self._members:
            self._end_round()

    @property
    def rng(self) -> np.random.Generator:
        """A generator for the current round, the same at every look."""
        return np.random.default_rng([self.seed, self._round])

    def remember(self, earlier: Sequence[Known]) -> None:
        super().remember(earlier)
        self._screen.add_source(*self._as_arrays(earlier))

    def _as_arrays(self, earlier: Sequence[Known]) -> tuple[Array, Array]:
        """Points `(n, dim)` and merits `(n,)`, NaN for failed ones."""
        points = np.array([self.space.encode(known.params) for known in earlier])
        merits = np.array([np.nan if k.merit is None else k.merit for k in earlier])
        return points.reshape(-1, self.space.dim), merits

    def _pick_members(
        self, propose: Callable[[int], Array], low: Array | None = None, high: Array | None = None
    ) -> Array:
        """For each member what promises most among and beside its proposals, `(popsize, dim)`.

        Args:
            propose: the proposals `(n, dim)` of a member, whose number it is given.
            low, high: the box that is not left, `(dim,)` each; the whole cube by default.
        """
        self._screen.begin()
        chosen = []
        for member, demand in enumerate(self.demands):
            self._screen.demand(demand)
            chosen.append(self._screen.pick(propose(member), low, high))
        self._look_again(chosen)
        return np.array(chosen)

    def _look_again(self, chosen: list[Array]) -> None:
        """Every few rounds, train the supposed best once more if scores are noisy."""
        if self._screen.noise > NOISY and self._round % AGAIN_EVERY == 0:
            chosen[-1] = self._screen.incumbent()
            self._again.add(len(chosen) - 1)

    @property
    def demands(self) -> list[float]:
        """How much improvement each member of the round looks for, in deviations of all scores.

        The first one polishes the best, the last one looks furthest away; in a population of fewer
        than `_TEMPERS` members these take turns.
        """
        cycle = max(_TEMPERS, self.popsize)
        most = self.options["demand"]
        tempers = [0.0, *(most * np.geomspace(_LEAST_DEMAND, 1.0, cycle - 1))]
        return [tempers[(self._first_id + i) % cycle] for i in range(self.popsize)]

    def _is_open(self) -> bool:
        """Whether a round has begun and waits for asks or results."""
        return len(self._results) < self._members

    def _begin_round(self) -> None:
        size = self.space.size
        untried = self.popsize if size is None else size - len(self._seen)
        members = self.popsize if self.allow_repeats else min(self.popsize, untried)
        if members <= 0:
            raise Exhausted
        self._first_id += self._members
        self._round += 1
        self._members, self._given = members, 0
        self._chosen, self._results = [], []
        self._again = set()

    def _fill_round(self) -> None:
        """Choose the members that were not restored, so as if none had been."""
        points = self._choose(self.rng)
        given = [self.space.init_params, *self.enqueued][self._first_id :]
        seen = set(self._seen)
        for member in range(self._members):
            if member < len(self._chosen):
                pass  # it was restored
            elif member < len(given):
                self._chosen.append(self._given_candidate(member, given[member]))
            else:
                self._chosen.append(self._new_candidate(member, points[member], seen))
            seen.add(self.space.key(self._chosen[member].params))

    def _end_round(self) -> None:
        results = sorted(self._results, key=lambda result: result[0].member)
        self._seen.update(self.space.key(candidate.params) for candidate, _ in results)
        points = np.array([candidate.point for candidate, _ in results])
        merits = np.array([np.nan if score is None else score for _, score in results])
        self._learn(points, merits)

    def _given_candidate(self, member: int, params: Mapping[str, Value]) -> Candidate:
        """Exactly what was given, in the order of the space."""
        point = self.space.encode(params)
        ordered = {p.name: params[p.name] for p in self.space if self.space.is_active(p, params)}
        return Candidate(self._first_id + member, self._round, member, point, ordered)

    def _new_candidate(self, member: int, point: Array, seen: set[tuple[Value, ...]]) -> Candidate:
        rng = np.random.default_rng([self.seed, self._round, member])  # whoever was restored
        inside = np.clip(point, 0.0, 1.0)
        where = (
            tuple(inside.tolist()) if member in self._again else self._untried(inside, seen, rng)
        )
        id_ = self._first_id + member
        return Candidate(id_, self._round, member, where, self.space.decode(where))

    # --- no configuration twice -----------------------------------------------------------------

    def _untried(
        self, point: Array, seen: set[tuple[Value, ...]], rng: np.random.Generator
    ) -> tuple[float, ...]:
        """`point`, or one near it whose configuration was not asked before."""

        def is_seen(at: Array) -> bool:
            return self.space.key(self.space.decode(at.tolist())) in seen

        size = self.space.size
        if (size is not None and len(seen) >= size) or not is_seen(point):
            return tuple(point.tolist())
        if size is not None and size <= _SMALL_SPACE:
            return self._nearest_untried(point, seen)
        near = point
        for attempt in range(1, _TRIES + 1):  # the neighbourhood grows up to the whole cube
            step = attempt / _TRIES * rng.uniform(-1.0, 1.0, point.shape)
            near = np.clip(point + step, 0.0, 1.0)
            if not is_seen(near):
                break
        return tuple(near.tolist())

    def _nearest_untried(self, point: Array, seen: set[tuple[Value, ...]]) -> tuple[float, ...]:
        untried = [
            self.space.encode(params)
            for params in self.space.configurations()
            if self.space.key(params) not in seen
        ]
        distances = np.linalg.norm(np.array(untried) - point, axis=1)
        return untried[int(np.argmin(distances))]
