"""The base of population-based training: members that begin from scratch or continue a model.

Another strategy proposes what to train from scratch, and learns only the scores of such starts.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping, Sequence

from autofinetune.space import Value

from .base import Candidate, Known, Strategy
from .members import Members


class Starts(Members):
    """Members whose candidates may name a parent.

    Args:
        fresh: a new strategy with a population of one, the schedule `async` and
            `allow_repeats`; it proposes the configurations to train from scratch.
    """

    def __init__(
        self, fresh: Strategy, popsize: int, schedule: str, rounds: int | None = None
    ) -> None:
        super().__init__(
            fresh.space, popsize, fresh.seed, fresh.allow_repeats, schedule=schedule, rounds=rounds
        )
        self.fresh = fresh
        self._starts: dict[int, Candidate] = {}  # those of `fresh` without a result, by our id
        self._start_count = 0  # of `fresh`
        self._saved: set[int] = set()  # candidates not learned yet that saved a model

    @abstractmethod
    def _can_continue(self, trial: int) -> bool:
        """Whether a candidate may name this trial as its parent."""

    def enqueue(self, configurations: Sequence[Mapping[str, Value]]) -> None:
        self.fresh.enqueue(configurations)

    def remember(self, earlier: Sequence[Known]) -> None:
        self.fresh.remember(earlier)

    def restore(self, candidate: Candidate) -> None:
        if candidate.parent is not None and not self._can_continue(candidate.parent):
            raise ValueError(
                f"candidate {candidate.id} cannot be restored here: trial {candidate.parent} has "
                "no model that could be continued then"
            )
        super().restore(candidate)

    def _take(self, candidate: Candidate) -> None:
        super()._take(candidate)
        if candidate.parent is None and self._is_of_fresh(candidate):
            if candidate.id not in self._starts:  # asked before a restart
                number = self._start_count
                start = dataclasses.replace(candidate, id=number, round=number, member=0)
                self.fresh.restore(start)
                self._starts[candidate.id] = start
            self._start_count += 1

    def _is_of_fresh(self, candidate: Candidate) -> bool:
        """Whether `fresh` proposed a start that is taken now."""
        return True

    def model_saved(self, candidate: Candidate) -> None:
        self._saved.add(candidate.id)

    def _has_saved(self, candidate: Candidate) -> bool:
        """Return whether a candidate that is learned now saved a model."""
        has_saved = candidate.id in self._saved
        self._saved.discard(candidate.id)
        return has_saved

    def _from_scratch(self, member: int) -> Candidate:
        (start,) = self.fresh.ask(1)
        number, round_ = self._number, self._counts[member]
        self._starts[number] = start
        return dataclasses.replace(start, id=number, round=round_, member=member)

    def _child(
        self,
        member: int,
        parent: Candidate,
        point: tuple[float, ...],
        params: Mapping[str, Value],
    ) -> Candidate:
        return Candidate(self._number, self._counts[member], member, point, params, parent.id)
