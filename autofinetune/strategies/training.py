"""Population-based training: other members copy weights and hyperparameters of good ones.

After Jaderberg et al., "Population Based Training of Neural Networks", arXiv 1711.09846, with
truncation selection. A member's next trial continues the member's own last model with the same
hyperparameters, except that a member among the worst copies (exploit) the model *and* the
hyperparameters of one drawn from the best, and changes the latter (explore; see `explore.py`).

Differences from the paper:

* Short training scores worse than long training, so two members are compared by the scores of
  their chains (a trial, its parent, its parent's parent, ...) at the age of the younger chain,
  counted in trials. A chain of fewer than `GRACE` trials is not replaced.
* What is best after one more trial need not be best in the end. To counter this greed, a member
  among the worst sometimes starts from scratch with a proposal of another strategy. That strategy
  also proposes the first population, and learns only the scores of such starts.
* A member that did not improve for `WINDOW` trials changes its own hyperparameters and continues.
* A member whose trial failed or saved no model continues one of the best models of all rounds.
* A parent has always saved a model. If a script saves none, every trial starts from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .base import Candidate, Strategy
from .explore import Explorer, Place
from .starts import Starts

SHARE = 0.25  # share of the members that count as worst, and as best
GRACE = 2
WINDOW = 2
FRESH = 0.25  # probability that a member among the worst starts from scratch
FRESH_UNTIL = 0.5  # share of the rounds after which a new start could no longer catch up


@dataclass(frozen=True)
class Chain:
    """A finished trial that may be continued, and the `merits` of its chain from scratch."""

    candidate: Candidate
    merits: tuple[float, ...]

    @property
    def age(self) -> int:
        return len(self.merits)

    @property
    def has_stalled(self) -> bool:
        """Whether none of the last `WINDOW` trials was better than the one before them."""
        before = self.merits[-WINDOW - 1 : -WINDOW]
        return bool(before) and max(self.merits[-WINDOW:]) <= before[0]


class PopulationTraining(Starts):
    """Trains `popsize` members; see the module docstring and `Starts`."""

    def __init__(
        self, fresh: Strategy, popsize: int, schedule: str, rounds: int | None = None
    ) -> None:
        super().__init__(fresh, popsize, schedule, rounds)
        self._parents: dict[int, Chain] = {}  # by candidate that is not learned yet
        self._chains: dict[int, Chain] = {}  # the chain that each member can continue
        self._learned: dict[int, int] = {}  # the newest learned trial of each member
        self._archive: list[Chain] = []  # the best `popsize` chains of all, best first
        self._few = max(1, round(SHARE * popsize))
        self._explorer = Explorer(fresh.space)

    def _can_continue(self, trial: int) -> bool:
        return self._find(trial) is not None

    def _take(self, candidate: Candidate) -> None:
        super()._take(candidate)
        if candidate.parent is not None:
            parent = self._find(candidate.parent)
            assert parent is not None
            self._parents[candidate.id] = parent

    # --- what happened --------------------------------------------------------------------------

    def _learn_all(self, results: Sequence[tuple[Candidate, float | None]]) -> None:
        for candidate, merit in results:
            place = self._place(candidate)
            self._explorer.learn(place, merit)
            if candidate.parent is None:
                self.fresh.tell(self._starts.pop(candidate.id), merit)
            before = self._parents.pop(candidate.id).merits if candidate.parent is not None else ()
            has_model = self._has_saved(candidate)
            chain = Chain(candidate, (*before, merit)) if merit is not None and has_model else None
            self._move_on(candidate, chain)

    def _move_on(self, candidate: Candidate, chain: Chain | None) -> None:
        """Record the chain of a member, unless a later trial of the member was learned before."""
        member = candidate.member
        if candidate.id > self._learned.get(member, -1):
            self._learned[member] = candidate.id
            self._chains.pop(member, None)
            if chain is not None:
                self._chains[member] = chain
        if chain is not None:
            self._archive.append(chain)
            self._archive.sort(key=lambda one: (-one.merits[-1], one.candidate.id))
            del self._archive[self.popsize :]

    def _find(self, trial: int) -> Chain | None:
        """Return the chain that ends in `trial`, or None if the trial cannot be continued."""
        chains = [*self._chains.values(), *self._archive]
        return next((chain for chain in chains if chain.candidate.id == trial), None)

    def _place(self, candidate: Candidate) -> Place:
        parent = self._parents.get(candidate.id)
        return Place(candidate.point, 1 + (parent.age if parent else 0))

    # --- the next candidate ---------------------------------------------------------------------

    def _next(self, member: int) -> Candidate:
        rng = np.random.default_rng([self.seed, self._number, 1])
        chain = self._chains.get(member)
        if self.fresh.inserted or not (self._archive and self._counts[member]):
            return self._from_scratch(member)
        if chain is None or member in self._busy:
            return self._changed(member, _draw(self._archive, rng), rng)
        ranking = self._ranking()
        if chain.age < GRACE or member not in ranking[-self._few :]:
            return self._own(member, chain, rng)
        if self._has_time(member) and rng.random() < FRESH:
            return self._from_scratch(member)
        best = [self._chains[other] for other in ranking[: self._few]]
        return self._changed(member, _draw(best, rng), rng)

    def _own(self, member: int, chain: Chain, rng: np.random.Generator) -> Candidate:
        if chain.has_stalled:
            return self._changed(member, chain, rng)
        own = chain.candidate
        return self._child(member, own, own.point, own.params)

    def _has_time(self, member: int) -> bool:
        return self.rounds is None or self._counts[member] < FRESH_UNTIL * self.rounds

    def _ranking(self) -> list[int]:
        """Return the members that can continue, by how many others they beat at equal age."""

        def key(member: int) -> tuple[float, float, int]:
            chain = self._chains[member]
            lead = sum(_compare(chain, other) for other in self._chains.values())
            return -lead, -chain.merits[-1], member

        return sorted(self._chains, key=key)

    def _changed(self, member: int, parent: Chain, rng: np.random.Generator) -> Candidate:
        """Continue the model of `parent` with changed hyperparameters."""
        start = Place(parent.candidate.point, parent.age + 1)
        pending = [self._place(candidate) for candidate in self._unlearned.values()]
        point = self._explorer.change(start, pending, self.popsize, rng)
        return self._child(member, parent.candidate, point, self.space.decode(point))


def _compare(one: Chain, other: Chain) -> int:
    """Return 1, 0 or -1 if the first chain was better, as good or worse at equal age."""
    age = min(one.age, other.age) - 1
    a, b = one.merits[age], other.merits[age]
    return (a > b) - (a < b)


def _draw(chains: Sequence[Chain], rng: np.random.Generator) -> Chain:
    return chains[int(rng.integers(len(chains)))]
