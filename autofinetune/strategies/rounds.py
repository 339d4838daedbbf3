"""What the strategies of whole rounds share: members are chosen when the round before is told.

Candidates come from results sorted by member, never by arrival, so the order in which trials
finish does not change the search.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Space, Value

from .base import Candidate, Exhausted, Strategy

Array = NDArray[np.float64]
_SMALL_SPACE = 20_000  # up to this many configurations the nearest untried one is looked up
_TRIES = 64


class RoundStrategy(Strategy):
    """Asks `popsize` candidates a round; the first candidate of all is the initial values."""

    def __init__(self, space: Space, popsize: int, seed: int, allow_repeats: bool = False) -> None:
        super().__init__(space, popsize, seed, allow_repeats)
        self._round = -1
        self._asked = 0
        self._ready: list[Candidate] = []
        self._waiting: dict[int, Candidate] = {}
        self._results: list[tuple[Candidate, float | None]] = []
        self._seen: set[tuple[Value, ...]] = set()

    @abstractmethod
    def _first_points(self, rng: np.random.Generator) -> Array:
        """Where round 0 begins, shape `(popsize, dim)`; the initial values replace row 0."""

    @abstractmethod
    def _next_points(self, rng: np.random.Generator) -> Array:
        """The points of the coming round, shape `(popsize, dim)`."""

    @abstractmethod
    def _learn(self, points: Array, merits: Array) -> None:
        """Take a whole round: `points` `(members, dim)`, `merits` `(members,)`, NaN for failed.

        There are `popsize` members, or fewer where a finite space was used up.
        """

    def ask(self, n: int) -> list[Candidate]:
        if not self._ready and not self._waiting:
            self._begin_round()
        given, self._ready = self._ready[:n], self._ready[n:]
        self._waiting.update((candidate.id, candidate) for candidate in given)
        return given

    def tell(self, candidate: Candidate, score: float | None) -> None:
        if score is not None and not math.isfinite(score):
            raise ValueError(f"a score must be finite, got {score}; tell None for a failed trial")
        asked = self._waiting.pop(candidate.id, None)
        if asked is None:
            raise ValueError(f"candidate {candidate.id} is not waiting for a result")
        self._results.append((asked, score))
        if not self._ready and not self._waiting:
            self._end_round()

    def _begin_round(self) -> None:
        if self._is_used_up() and not self.allow_repeats:
            raise Exhausted
        self._round += 1
        rng = np.random.default_rng([self.seed, self._round])
        if self._round == 0:
            points = self._first_points(rng)
            points[0] = self.space.init_point
        else:
            points = self._next_points(rng)
        for member, point in enumerate(points):
            if self._is_used_up() and not self.allow_repeats:
                break
            self._ready.append(self._new_candidate(member, point, rng))

    def _end_round(self) -> None:
        results = sorted(self._results, key=lambda result: result[0].member)
        self._results = []
        points = np.array([candidate.point for candidate, _ in results])
        merits = np.array([np.nan if score is None else score for _, score in results])
        self._learn(points, merits)

    def _new_candidate(self, member: int, point: Array, rng: np.random.Generator) -> Candidate:
        where = self._untried(np.clip(point, 0.0, 1.0), rng)
        params = self.space.decode(where) if self._asked else self.space.init_params
        self._seen.add(tuple(params.values()))
        candidate = Candidate(self._asked, self._round, member, where, params)
        self._asked += 1
        return candidate

    # --- no configuration twice -----------------------------------------------------------------

    def _is_used_up(self) -> bool:
        size = self.space.size
        return size is not None and len(self._seen) >= size

    def _is_seen(self, point: Array) -> bool:
        return tuple(self.space.decode(point.tolist()).values()) in self._seen

    def _untried(self, point: Array, rng: np.random.Generator) -> tuple[float, ...]:
        """`point`, or one near it whose configuration was not asked before."""
        size = self.space.size
        if self._is_used_up() or not self._is_seen(point):
            return tuple(point.tolist())
        if size is not None and size <= _SMALL_SPACE:
            return self._nearest_untried(point)
        for attempt in range(1, _TRIES + 1):  # the neighbourhood grows up to the whole cube
            near = np.clip(
                point + attempt / _TRIES * rng.uniform(-1.0, 1.0, point.shape), 0.0, 1.0
            )
            if not self._is_seen(near):
                break
        return tuple(near.tolist())

    def _nearest_untried(self, point: Array) -> tuple[float, ...]:
        names = [parameter.name for parameter in self.space]
        untried = [
            self.space.encode(dict(zip(names, values, strict=True)))
            for values in itertools.product(*(parameter.values() for parameter in self.space))
            if values not in self._seen
        ]
        distances = np.linalg.norm(np.array(untried) - point, axis=1)
        return untried[int(np.argmin(distances))]
