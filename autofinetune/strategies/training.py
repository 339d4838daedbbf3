"""Population-based training: weights and hyperparameters of good members spread to the others.

After Jaderberg et al., "Population Based Training of Neural Networks", arXiv 1711.09846, with
truncation selection. A member's next trial continues the member's own last model with the same
hyperparameters, except that a member among the worst takes over (exploit) the model *and* the
hyperparameters of one drawn from the best, and changes the latter (explore).

What is different here, and why:

* Training that is young looks worse than training that went on for long, so two members are
  compared by the scores of their chains (a trial, its parent, its parent's parent, ...) at the age
  of the younger chain, counted in trials. A chain of fewer than `GRACE` trials is not replaced.
* What is best after one more trial is not what is best in the end. To meet this greed a member
  among the worst starts from scratch now and then, with what another strategy proposes; that
  strategy proposes the first population too, and is told the scores of such starts only.
* A member whose trial failed or saved nothing continues one of the best models of all rounds.
* A parent has always saved a model. A script that saves none is searched as if every trial were
  trained from scratch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autofinetune.space import ChoiceParameter, Parameter, Space, Value
from autofinetune.space.parameters import FloatParameter
from autofinetune.surrogate import Screen

from .base import Candidate, Known, Strategy
from .design import reflect
from .members import Members

SHARE = 0.25  # of the members are the worst, and as many the best
GRACE = 2
FRESH = 0.25  # how often a member among the worst starts from scratch
FRESH_UNTIL = 0.5  # of the rounds: later there is no time left to catch up
STEP = 0.1  # of a hyperparameter's range, on its own scale
RESAMPLE = 0.25  # how likely a hyperparameter is drawn anew instead
RESAMPLE_CHOICE = 0.1


@dataclass(frozen=True)
class Chain:
    """A finished trial and what led to it: `merits` holds one score for each trial from scratch
    to this one, higher is better.
    """

    candidate: Candidate
    merits: tuple[float, ...]

    @property
    def age(self) -> int:
        """How many trials are in it."""
        return len(self.merits)


class PopulationTraining(Members):
    """Trains `popsize` members; see the module docstring.

    Args:
        fresh: a new strategy with a population of one and the schedule `async`: it proposes what
            is trained from scratch.
        popsize, schedule, rounds: as for every strategy.
    """

    def __init__(
        self, fresh: Strategy, popsize: int, schedule: str, rounds: int | None = None
    ) -> None:
        super().__init__(
            fresh.space, popsize, fresh.seed, fresh.allow_repeats, schedule=schedule, rounds=rounds
        )
        self.fresh = fresh
        self._fresh_asked: dict[int, Candidate] = {}  # by the number here
        self._saved: set[int] = set()
        self._parents: dict[int, Chain] = {}  # of the candidates that wait to be learned
        self._chains: dict[int, Chain] = {}  # where members are, as far as they can go on
        self._archive: list[Chain] = []  # the best `popsize` of all, best first
        self._fresh_count = 0
        self._few = max(1, round(SHARE * popsize))
        self._screen = Screen(_aged(fresh.space))

    def enqueue(self, configurations: Sequence[Mapping[str, Value]]) -> None:
        self.fresh.enqueue(configurations)

    def remember(self, earlier: Sequence[Known]) -> None:
        self.fresh.remember(earlier)

    def model_saved(self, candidate: Candidate) -> None:
        self._saved.add(candidate.id)

    # --- what happened --------------------------------------------------------------------------

    def restore(self, candidate: Candidate) -> None:
        if candidate.parent is not None and self._find(candidate.parent) is None:
            raise ValueError(
                f"candidate {candidate.id} cannot come here: {candidate.parent} is no parent now"
            )
        super().restore(candidate)

    def _take(self, candidate: Candidate) -> None:
        super()._take(candidate)
        if candidate.parent is not None:
            parent = self._find(candidate.parent)
            assert parent is not None
            self._parents[candidate.id] = parent
        elif candidate.id not in self._fresh_asked:  # of an earlier life
            number = self._fresh_count
            own = dataclasses.replace(candidate, id=number, round=number, member=0)
            self.fresh.restore(own)
            self._fresh_asked[candidate.id] = own
        self._fresh_count += candidate.parent is None

    def _learn_all(self, results: Sequence[tuple[Candidate, float | None]]) -> None:
        for candidate, merit in results:
            fresh = self._fresh_asked.pop(candidate.id, None)
            if fresh is not None:
                self.fresh.tell(fresh, merit)
            parent = self._parents.pop(candidate.id, None)
            before = parent.merits if parent else ()
            self._screen.add(
                np.array([[*candidate.point, _age_coordinate(len(before) + 1)]]),
                np.array([np.nan if merit is None else merit]),
            )
            has_model = candidate.id in self._saved
            self._saved.discard(candidate.id)
            if merit is None or not has_model:
                self._chains.pop(candidate.member, None)
                continue
            chain = Chain(candidate, (*before, merit))
            self._chains[candidate.member] = chain
            self._archive.append(chain)
            self._archive.sort(key=lambda one: (-one.merits[-1], one.candidate.id))
            del self._archive[self.popsize :]

    def _find(self, trial: int) -> Chain | None:
        """The chain that ends in a trial which may be continued now."""
        chains = [*self._chains.values(), *self._archive]
        return next((chain for chain in chains if chain.candidate.id == trial), None)

    # --- the next candidate ---------------------------------------------------------------------

    def _next(self, member: int) -> Candidate:
        rng = np.random.default_rng([self.seed, self._number, 1])
        if not self._archive:
            return self._from_scratch(member)
        chain = self._chains.get(member)
        if member in self._busy or chain is None:
            return self._explore(member, _draw(self._archive, rng), rng)
        ranking = self._ranking()
        if chain.age < GRACE or member not in ranking[-self._few :]:
            if STAGNATE and chain.age > 1 and chain.merits[-1] <= chain.merits[-2]:
                return self._explore(member, chain, rng)
            return self._child(member, chain, chain.candidate.point)
        if self._is_early(member) and rng.random() < FRESH:
            return self._from_scratch(member)
        best = [self._chains[other] for other in ranking[: self._few]]
        return self._explore(member, _draw(best, rng), rng)

    def _is_early(self, member: int) -> bool:
        return self.rounds is None or self._counts[member] < FRESH_UNTIL * self.rounds

    def _ranking(self) -> list[int]:
        """The members that can go on, best first: who beats more others at equal age."""

        def lead(member: int) -> tuple[float, float, int]:
            chain = self._chains[member]
            leads = sum(_compare(chain, other) for other in self._chains.values())
            return -leads, -chain.merits[-1], member

        return sorted(self._chains, key=lead)

    def _from_scratch(self, member: int) -> Candidate:
        (fresh,) = self.fresh.ask(1)
        number, round_ = self._number, self._counts[member]
        self._fresh_asked[number] = fresh
        return dataclasses.replace(fresh, id=number, round=round_, member=member)

    def _explore(self, member: int, parent: Chain, rng: np.random.Generator) -> Candidate:
        """Continues the model of `parent` with other hyperparameters."""
        point = np.array(parent.candidate.point)
        if MODEL and len(self._screen) > self.space.dim + 3:
            age = _age_coordinate(parent.age + 1)
            proposals = np.array(
                [[*self._perturbed(parent.candidate.point, rng), age] for _ in range(PROPOSALS)]
            )
            pend = [
                [
                    *c.point,
                    _age_coordinate(self._parents[c.id].age + 1 if c.id in self._parents else 1),
                ]
                for c in self._unlearned.values()
            ]
            self._screen.begin(np.array(pend).reshape(-1, self.space.dim + 1), self.popsize)
            low, high = np.zeros(len(point) + 1), np.ones(len(point) + 1)
            low[-1] = high[-1] = age
            self._screen.demand(0.0)
            point = self._screen.pick(proposals, low, high)[:-1]
            return self._child(member, parent, tuple(np.clip(point, 0, 1).tolist()))
        return self._child(member, parent, self._perturbed(parent.candidate.point, rng))

    def _child(self, member: int, parent: Chain, point: tuple[float, ...]) -> Candidate:
        number, round_, own = self._number, self._counts[member], parent.candidate
        params = own.params if point == own.point else self.space.decode(point)
        return Candidate(number, round_, member, point, params, own.id)

    def _perturbed(self, point: tuple[float, ...], rng: np.random.Generator) -> tuple[float, ...]:
        moved = zip(self.space, point, strict=True)
        return tuple(_moved(parameter, u, rng) for parameter, u in moved)


MODEL = 1
STAGNATE = 1
PROPOSALS = 100


def _aged(space: Space) -> Space:
    return Space((*space, FloatParameter(" age", 0.0, 1.0, 0.5)))


def _age_coordinate(age: int) -> float:
    return age / (age + 10.0)


def _compare(one: Chain, other: Chain) -> int:
    """1, 0 or -1: whether the first chain was better, as good or worse at equal age."""
    age = min(one.age, other.age) - 1
    return int(np.sign(one.merits[age] - other.merits[age]))


def _draw(chains: Sequence[Chain], rng: np.random.Generator) -> Chain:
    return chains[int(rng.integers(len(chains)))]


def _moved(parameter: Parameter, u: float, rng: np.random.Generator) -> float:
    """Another coordinate: a step away, or anywhere now and then."""
    is_choice = isinstance(parameter, ChoiceParameter)
    anywhere, resample = float(rng.random()), float(rng.random())
    step = STEP * float(rng.choice((-1.0, 1.0)))
    if resample < (RESAMPLE_CHOICE if is_choice else RESAMPLE):
        return anywhere
    if is_choice:
        return u
    away = float(reflect(np.array(u + step)))
    beside = parameter.neighbours(u)
    if beside and parameter.decode(away) == parameter.decode(u):
        return max(beside) if step > 0 else min(beside)
    return away
