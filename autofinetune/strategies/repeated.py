"""Trains every configuration several times, for noisy scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from autofinetune.space import Value

from .base import Candidate, Exhausted, Known, Strategy


class Repeated(Strategy):
    """Asks each candidate of another strategy `repeats` times and tells it the mean score.

    Candidate k of the other strategy becomes candidates k * repeats to k * repeats + repeats - 1;
    members are numbered likewise. The mean is over the trials that did not fail; the candidate
    failed if all of its trials failed.
    """

    def __init__(self, inner: Strategy, repeats: int) -> None:
        super().__init__(
            inner.space, inner.popsize * repeats, inner.seed, inner.allow_repeats,
            schedule=inner.schedule, rounds=inner.rounds,
        )  # fmt: skip
        self.inner = inner
        self.repeats = repeats
        self._left: list[Candidate] = []
        self._waiting: set[int] = set()
        self._asked: dict[int, Candidate] = {}  # of the other strategy
        self._scores: dict[int, list[float | None]] = {}

    def enqueue(self, configurations: Sequence[Mapping[str, Value]]) -> None:
        self.inner.enqueue(configurations)

    def remember(self, earlier: Sequence[Known]) -> None:
        self.inner.remember(earlier)

    def set_rounds(self, rounds: int) -> None:
        super().set_rounds(rounds)
        self.inner.set_rounds(rounds)

    def ask(self, n: int) -> list[Candidate]:
        while len(self._left) < n:
            try:
                more = self.inner.ask(-(-(n - len(self._left)) // self.repeats))
            except Exhausted:
                if not self._left:
                    raise
                break
            if not more:
                break
            for candidate in more:
                self._take(candidate)
        given, self._left = self._left[:n], self._left[n:]
        self._waiting.update(candidate.id for candidate in given)
        return given

    def restore(self, candidate: Candidate) -> None:
        candidate = dataclasses.replace(candidate, parent=None)  # parents are chosen elsewhere
        if not self._left:
            number, rest = divmod(candidate.id, self.repeats)
            member, beside = divmod(candidate.member, self.repeats)
            if rest or beside:
                raise ValueError(f"candidate {candidate.id} cannot be restored here")
            original = dataclasses.replace(candidate, id=number, member=member)
            self.inner.restore(original)
            self._take(original)
        if self._left[0] != candidate:
            raise ValueError(f"candidate {candidate.id} cannot be restored here")
        self._waiting.add(self._left.pop(0).id)

    def _take(self, candidate: Candidate) -> None:
        self._asked[candidate.id] = candidate
        self._scores[candidate.id] = []
        for number in range(self.repeats):
            self._left.append(
                dataclasses.replace(
                    candidate,
                    id=candidate.id * self.repeats + number,
                    member=candidate.member * self.repeats + number,
                )
            )

    def tell(self, candidate: Candidate, score: float | None) -> None:
        self._check_waiting(candidate.id in self._waiting, candidate, score)
        self._waiting.remove(candidate.id)
        number = candidate.id // self.repeats
        scores = self._scores[number]
        scores.append(score)
        if len(scores) == self.repeats:
            del self._scores[number]
            good = [score for score in scores if score is not None]
            mean = sum(good) / len(good) if good else None
            self.inner.tell(self._asked.pop(number), mean)
