"""The base of strategies that choose one candidate after the other.

A candidate depends only on the seed, its number, the results learned so far and the points without
a result, so nothing is chosen again when a search is restored.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Value

from .base import Candidate, Exhausted, Known
from .members import Members

Array = NDArray[np.float64]
_SMALL_SPACE = 20_000  # up to this many configurations, the nearest untried one is searched for
_TRIES = 64
_LONG_AGO = 2000  # candidates after which a configuration of an infinite space may recur


class Turns(Members):
    """Asks the initial values, then enqueued configurations, then the points of `_point`."""

    def _set_up(self) -> None:
        super()._set_up()
        self._seen: dict[tuple[Value, ...], None] = {}  # in the order of asking
        self._late = 0  # candidates that were `inserted`

    @abstractmethod
    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        """Return the next point of a member, `(dim,)`, in the unit cube.

        Raise Exhausted if there is none. `rng` depends only on the seed and `self._number`.
        """

    def _note(self, candidate: Candidate) -> None:
        """Record a candidate that is asked or restored, in the state in which it was chosen."""

    @abstractmethod
    def _learn(self, candidate: Candidate, merit: float) -> None:
        """Learn from a result; the merit of a failed trial is NaN."""

    def _learn_all(self, results: Sequence[tuple[Candidate, float | None]]) -> None:
        for candidate, score in results:
            self._learn(candidate, np.nan if score is None else score)

    def enqueue(self, configurations: Sequence[Mapping[str, Value]]) -> None:
        if self._number:
            self.inserted += configurations
        else:
            super().enqueue(configurations)

    def _is_tried(self, params: Mapping[str, Value]) -> bool:
        return self.space.key(params) in self._seen

    def _take(self, candidate: Candidate) -> None:
        self._note(candidate)
        super()._take(candidate)
        if self.inserted:
            del self.inserted[0]
            self._late += 1
        self._seen[self.space.key(candidate.params)] = None
        if self.space.size is None and len(self._seen) > _LONG_AGO:
            del self._seen[next(iter(self._seen))]

    @property
    def _is_used_up(self) -> bool:
        return self._all_seen and not self.allow_repeats and not self.inserted

    # --- the next candidate ---------------------------------------------------------------------

    @property
    def _given(self) -> Sequence[Mapping[str, Value]]:
        return [self.space.init_params] * self.begins_with_init + self.enqueued

    @property
    def _is_next_given(self) -> bool:
        """Whether the next candidate is a given configuration, which is not chosen here."""
        return bool(self.inserted) or self._number - self._late < len(self._given)

    def _next(self, member: int) -> Candidate:
        if self._is_used_up:
            raise Exhausted
        number, round_ = self._number, self._counts[member]
        if self._is_next_given:
            given = self.inserted or self._given[number - self._late :]
            return self._given_candidate(number, round_, member, given[0])
        rng = np.random.default_rng([self.seed, number])
        where = tuple(float(u) for u in self._point(round_, member, rng))
        return Candidate(number, round_, member, where, self.space.decode(where))

    def _given_candidate(
        self, number: int, round_: int, member: int, params: Mapping[str, Value]
    ) -> Candidate:
        """Return a candidate with exactly the given values, in the order of the space."""
        point = self.space.encode(params)
        ordered = {p.name: params[p.name] for p in self.space if self.space.is_active(p, params)}
        return Candidate(number, round_, member, point, ordered)

    def _pending(self) -> Array:
        """Return the points without a result, `(n, dim)`."""
        points = [candidate.point for candidate in self._unlearned.values()]
        return np.array(points).reshape(-1, self.space.dim)

    def _as_arrays(self, earlier: Sequence[Known]) -> tuple[Array, Array]:
        """Return points `(n, dim)` and merits `(n,)`, NaN for failed ones."""
        points = np.array([self.space.encode(known.params) for known in earlier])
        merits = np.array([np.nan if k.merit is None else k.merit for k in earlier])
        return points.reshape(-1, self.space.dim), merits

    # --- no configuration twice -----------------------------------------------------------------

    def _is_seen(self, point: Sequence[float] | Array) -> bool:
        """Return whether the configuration at `point` was asked before."""
        return self.space.key(self.space.decode([float(u) for u in point])) in self._seen

    @property
    def _all_seen(self) -> bool:
        size = self.space.size
        return size is not None and len(self._seen) >= size

    def _fresh(self, draw: Callable[[], Array]) -> Sequence[float]:
        """Return a drawn point whose configuration was not asked before, if possible."""
        point = draw()
        if self._all_seen:
            return tuple(point.tolist())
        for _ in range(_TRIES):
            if not self._is_seen(point):
                return tuple(point.tolist())
            point = draw()
        if self.space.size is None:
            return tuple(point.tolist())
        untried = (c for c in self.space.configurations() if self.space.key(c) not in self._seen)
        return self.space.encode(next(untried))

    def _untried(self, point: Array, rng: np.random.Generator) -> Sequence[float]:
        """Return `point`, or a point near it whose configuration was not asked before."""
        size = self.space.size
        if self._all_seen or not self._is_seen(point):
            return tuple(point.tolist())
        if size is not None and size <= _SMALL_SPACE:
            return self._nearest_untried(point)
        near = point
        for attempt in range(1, _TRIES + 1):  # the neighbourhood grows up to the whole cube
            step = attempt / _TRIES * rng.uniform(-1.0, 1.0, point.shape)
            near = np.clip(point + step, 0.0, 1.0)
            if not self._is_seen(near):
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
