"""The interface of search algorithms: ask for candidates, tell their scores."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from autofinetune.core.judgement import Judgement
from autofinetune.space import Space, Value

from .options import Option, read_options

SCHEDULES = ("async", "round")
BEST_OF_EARLIER = 3  # how many configurations of each earlier run are tried again


@dataclass(frozen=True)
class Candidate:
    """A configuration to try.

    `id` counts from 0 over the whole run, `member` is the place in the population, `point` has
    shape `(dim,)` in the unit cube and `params` is what train.py gets. `parent` is the candidate
    whose saved model this one continues, if the strategy trains a population.
    """

    id: int
    round: int
    member: int
    point: tuple[float, ...]
    params: Mapping[str, Value]
    parent: int | None = None


@dataclass(frozen=True)
class Known:
    """A trial of an earlier run; `merit` is its score (higher is better), None if it failed."""

    params: Mapping[str, Value]
    merit: float | None


class Exhausted(Exception):
    """Every configuration of the space was asked; there are no further candidates."""


class Strategy(ABC):
    """A search algorithm. Its next `ask` depends only on (space, seed, asks and tells so far).

    Args:
        popsize: members of the population, at least 1.
        seed: any integer >= 0; the same seed gives the same search.
        allow_repeats: once a finite space is used up, ask known configurations again (which is
            useful when trials continue others) instead of raising `Exhausted`.
        options: values for some of `OPTIONS`, as text or numbers.
        schedule: `async` gives candidates at any time; `round` gives those of a round once the
            previous round is complete, and does not depend on the order of tells.
        rounds: how many candidates each member gets, None for no limit.

    Raises:
        ValueError: popsize, seed or schedule is out of range.
        UsageError: an option is unknown or its value is not allowed.
    """

    OPTIONS: ClassVar[Mapping[str, Option]] = {}
    begins_with_init: ClassVar[bool] = True
    """Whether the initial values are tried before anything else."""
    knows_curves: ClassVar[bool] = False
    """Whether it learns from reports, and judges running trials by them."""
    names_parents: ClassVar[bool] = False
    """Whether its candidates name the trial that they continue, when models are continued."""

    def __init__(
        self,
        space: Space,
        popsize: int,
        seed: int,
        allow_repeats: bool = False,
        options: Mapping[str, object] | None = None,
        schedule: str = "async",
        rounds: int | None = None,
    ) -> None:
        if popsize < 1:
            raise ValueError(f"popsize must be at least 1, got {popsize}")
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        self.space = space
        self.popsize = popsize
        self.seed = seed
        if schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, got {schedule!r}")
        self.allow_repeats = allow_repeats
        self.schedule = schedule
        self.rounds = rounds
        self.enqueued: list[Mapping[str, Value]] = []
        self.inserted: list[Mapping[str, Value]] = []
        """Configurations that were enqueued after the first `ask` and come next."""
        self.options: dict[str, Any] = self.read_options(options or {})
        self._set_up()

    @classmethod
    def read_options(cls, given: Mapping[str, object]) -> dict[str, Any]:
        """Return a value for every option; raise UsageError for one that is not allowed."""
        return read_options(cls.__name__, cls.OPTIONS, given)

    def _set_up(self) -> None:  # noqa: B027  optional
        """Initialize the strategy, after the arguments were checked and stored in attributes."""

    def _check_waiting(self, is_waiting: bool, candidate: Candidate, score: float | None) -> None:
        if score is not None and not math.isfinite(score):
            raise ValueError(f"a score must be finite, got {score}; tell None for a failed trial")
        if not is_waiting:
            raise ValueError(f"candidate {candidate.id} is not waiting for a result")

    def enqueue(self, configurations: Sequence[Mapping[str, Value]]) -> None:
        """Ask these next, before the first `ask` right after the initial values.

        A resumed strategy must get them between the same candidates as before.
        """
        for params in configurations:
            is_first = self.begins_with_init and params == self.space.init_params
            if not is_first and params not in self.enqueued:
                self.enqueued.append(params)

    def remember(self, earlier: Sequence[Known]) -> None:
        """Learn from an earlier run; its best trials are asked again next, as by `enqueue`."""
        good = [known for known in earlier if known.merit is not None]
        good.sort(key=lambda known: -(known.merit or 0.0))
        best: list[Mapping[str, Value]] = []
        for known in good:
            is_new = known.params not in best and not self._is_tried(known.params)
            if is_new and len(best) < BEST_OF_EARLIER:
                best.append(known.params)
        self.enqueue(best)

    def _is_tried(self, params: Mapping[str, Value]) -> bool:
        """Return whether this search is known to have asked a configuration."""
        return False

    @abstractmethod
    def ask(self, n: int) -> list[Candidate]:
        """Return at most `n` candidates, none if results are needed first; or raise Exhausted."""

    @abstractmethod
    def restore(self, candidate: Candidate) -> None:
        """Take a candidate that was asked before a restart; call it in the order of asking.

        It is not chosen again: that would be slow, and could give another point on a machine that
        rounds differently. Raise ValueError if it does not fit the ones restored so far.
        """

    def set_rounds(self, rounds: int) -> None:
        """Change how many candidates each member gets."""
        self.rounds = rounds

    def model_saved(self, candidate: Candidate) -> None:  # noqa: B027  few strategies need it
        """Note that the trial of an asked candidate saved a model; called before its `tell`."""

    def announce(self, length: int) -> None:  # noqa: B027  for those that know curves
        """Assume the position at which a whole training ends, until one has ended."""

    def report(  # noqa: B027  for those that know curves
        self, candidate: Candidate, position: int, merit: float
    ) -> None:
        """Take an intermediate result of an asked candidate.

        Positions are at least 1 and increase; a merit is finite, higher is better.
        """

    def judge(self, candidate: Candidate) -> Judgement | None:
        """Judge a candidate after its last report; None if there is nothing to say yet."""
        return None

    def expected(self, candidate: Candidate) -> float | None:
        """Return the expected final merit of a candidate with reports, None if unknown."""
        return None

    def stopped(self, candidate: Candidate) -> None:  # noqa: B027  for those that know curves
        """Note that a trial was stopped early; called before its `tell`."""

    @abstractmethod
    def tell(self, candidate: Candidate, score: float | None) -> None:
        """Take the result of an asked candidate; ValueError if it is not waiting for one.

        `score` is finite, higher is better; None for a failed trial, which ranks below all others.
        """
