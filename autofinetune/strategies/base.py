"""The seam of every search algorithm: ask for candidates, tell their scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from autofinetune.space import Space, Value


@dataclass(frozen=True)
class Candidate:
    """A configuration to try.

    `id` counts from 0 over the run, `member` is the place in the population, `point` has shape
    `(dim,)` in the unit cube and `params` is what train.py gets.
    """

    id: int
    round: int
    member: int
    point: tuple[float, ...]
    params: Mapping[str, Value]


class Exhausted(Exception):
    """Every configuration of the space was asked; there will be no further candidate."""


class Strategy(ABC):
    """A search algorithm. Its next `ask` depends only on (space, seed, asks and tells so far).

    Args:
        space: where to search.
        popsize: members of the population, at least 1.
        seed: any integer >= 0; the same seed gives the same search.
        allow_repeats: ask known configurations again once a finite space is used up (a trial that
            continues another one is worth it) instead of raising `Exhausted`.
    """

    def __init__(self, space: Space, popsize: int, seed: int, allow_repeats: bool = False) -> None:
        if popsize < 1:
            raise ValueError(f"popsize must be at least 1, got {popsize}")
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        self.space = space
        self.popsize = popsize
        self.seed = seed
        self.allow_repeats = allow_repeats

    @abstractmethod
    def ask(self, n: int) -> list[Candidate]:
        """At most `n` candidates; an empty list means that results are needed first.

        Raises:
            Exhausted: the space is used up.
        """

    @abstractmethod
    def restore(self, candidate: Candidate) -> None:
        """Take a candidate that was asked in an earlier life, in the order of asking.

        It is not chosen again, which would be slow, and would not be the same point on a machine
        that rounds differently.

        Raises:
            ValueError: the candidate cannot come at this place.
        """

    @abstractmethod
    def tell(self, candidate: Candidate, score: float | None) -> None:
        """Take the result of an asked candidate.

        Args:
            candidate: one that `ask` returned and that was not told yet.
            score: finite, higher is better; None for a trial that failed, which ranks below
                every score.

        Raises:
            ValueError: the score is not finite, or the candidate is not waiting for a result.
        """
