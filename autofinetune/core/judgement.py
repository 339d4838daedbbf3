"""What a strategy expects of a running trial."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Judgement(NamedTuple):
    """The expected final merit of a trial, its standard deviation, and the best of all others."""

    expected: float
    deviation: float
    best: float
    is_hopeless: bool


class Judge(Protocol):
    """Knows what to expect of running trials, by their numbers and reports."""

    def announce(self, length: int) -> None:
        """Assume the position at which a whole training ends, until one has ended."""

    def report(self, trial: int, position: int, merit: float) -> None:
        """Take an intermediate result; positions count from 1, a higher merit is better."""

    def judge(self, trial: int) -> Judgement | None:
        """Judge a trial after its last report; None if it is too early for that."""

    def expected(self, trial: int) -> float | None:
        """Return the expected final merit of a trial, None if that is unknown."""
