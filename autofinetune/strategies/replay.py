"""Trains recorded configurations one after the other, each continuing the previous model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autofinetune.space import Space, Value

from .base import Candidate, Exhausted, Strategy


class Replay(Strategy):
    """A population of one that follows a schedule of one or more configurations, in order.

    It ends with the schedule, or when a trial leaves no model to continue.
    """

    def __init__(self, space: Space, schedule_: Sequence[Mapping[str, Value]]) -> None:
        super().__init__(space, 1, 0, allow_repeats=True, rounds=len(schedule_))
        self._schedule = schedule_
        self._asked = 0
        self._waiting: int | None = None
        self._has_model = True  # whether there is a model to continue, or none is needed yet

    def ask(self, n: int) -> list[Candidate]:
        if self._waiting is not None or n < 1:
            return []
        if self._asked == len(self._schedule) or not self._has_model:
            raise Exhausted
        candidate = self._next()
        self.restore(candidate)
        return [candidate]

    def _next(self) -> Candidate:
        number, params = self._asked, self._schedule[self._asked]
        point = self.space.encode(params)
        return Candidate(number, number, 0, point, params, number - 1 if number else None)

    def restore(self, candidate: Candidate) -> None:
        is_possible = self._waiting is None and self._has_model
        if not (is_possible and candidate.id == self._asked < len(self._schedule)):
            raise ValueError(f"candidate {candidate.id} cannot be restored as {self._asked}")
        self._asked += 1
        self._waiting, self._has_model = candidate.id, False

    def model_saved(self, candidate: Candidate) -> None:
        self._has_model = True

    def tell(self, candidate: Candidate, score: float | None) -> None:
        self._check_waiting(candidate.id == self._waiting, candidate, score)
        self._waiting = None
        self._has_model &= score is not None
