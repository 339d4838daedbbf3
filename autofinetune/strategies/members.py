"""Members that take turns: whose candidate is next, and when results are learned.

With the schedule `async`, a member gets its next candidate as soon as its last result arrives, and
results are learned in the order of arrival. With the schedule `round`, a round begins when all
results of the previous one have arrived, and these are learned sorted by member, so that neither
the order in which trials finish nor the number of slots changes the search.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from .base import Candidate, Exhausted, Strategy


class Members(Strategy):
    """Gives each member its next candidate in turn; see `_next` and `_learn_all`."""

    def _set_up(self) -> None:
        self._counts = dict.fromkeys(range(self.popsize), 0)  # candidates of each member
        self._waiting: dict[int, Candidate] = {}  # candidates without a result
        self._results: dict[int, float | None] = {}  # results not learned before the round ends
        self._unlearned: dict[int, Candidate] = {}  # the candidates of both

    @abstractmethod
    def _next(self, member: int) -> Candidate:
        """Return a member's candidate in round `_counts[member]`; raise Exhausted without one."""

    @abstractmethod
    def _learn_all(self, results: Sequence[tuple[Candidate, float | None]]) -> None:
        """Learn from results in order; the score of a failed trial is None."""

    @property
    def _is_used_up(self) -> bool:
        """Whether there are no further candidates."""
        return False

    @property
    def _number(self) -> int:
        return sum(self._counts.values())

    def ask(self, n: int) -> list[Candidate]:
        given: list[Candidate] = []
        while len(given) < n and (member := self._turn()) is not None:
            try:
                candidate = self._next(member)
            except Exhausted:
                if not given:
                    raise
                break
            self._take(candidate)
            given.append(candidate)
        return given

    def restore(self, candidate: Candidate) -> None:
        member = candidate.member
        # With the schedule `async` the turns depended on timing, which cannot be checked.
        turn = self._turn() if self.schedule == "round" else member
        if (
            member != turn
            or candidate.id != self._number
            or candidate.round != self._counts.get(member)
            or self._is_used_up
        ):
            raise ValueError(
                f"candidate {candidate.id} of member {member} in round {candidate.round} cannot "
                f"be restored as number {self._number}"
            )
        self._take(candidate)

    def tell(self, candidate: Candidate, score: float | None) -> None:
        self._check_waiting(candidate.id in self._waiting, candidate, score)
        self._results[candidate.id] = score
        del self._waiting[candidate.id]
        if self.schedule == "async" or not (self._waiting or self._number % self.popsize):
            results, self._results = sorted(self._results.items()), {}
            self._learn_all([(self._unlearned.pop(number), score) for number, score in results])

    def _take(self, candidate: Candidate) -> None:
        """Record a candidate that is asked or restored."""
        self._counts[candidate.member] += 1
        self._waiting[candidate.id] = self._unlearned[candidate.id] = candidate

    def _turn(self) -> int | None:
        """Return the member whose candidate is next, or None if results are needed first."""
        if self.schedule == "round":
            member = self._number % self.popsize
            return None if member == 0 and self._unlearned else member
        busy = self._busy
        most = self.rounds or self._number + 1
        due = [member for member, count in self._counts.items() if count < most]
        free = [member for member in due if member not in busy] or due
        return min(free, key=lambda member: self._counts[member], default=None)

    @property
    def _busy(self) -> set[int]:
        """The members that have a candidate without a result."""
        return {candidate.member for candidate in self._waiting.values()}
