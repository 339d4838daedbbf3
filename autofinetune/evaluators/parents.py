"""Which saved model a trial continues: none, or that of a good earlier trial."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Set

from autofinetune.config.config import Config
from autofinetune.core.promising import KEPT, Scored, promising
from autofinetune.core.state import State
from autofinetune.core.status import Status
from autofinetune.strategies.base import Candidate


class Evaluator:
    """Chooses the parent of a candidate; this one chooses none, so trials begin from scratch."""

    continues_models = False
    """Whether later rounds continue saved models, so that train.py needs `--model_path`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.gone: Set[int] = frozenset()
        """Trials whose models were removed since they were saved; none of them is a parent."""

    def parent(self, candidate: Candidate, state: State) -> int | None:
        """Return the id of the trial whose model a new candidate continues, or None."""
        return None

    def possible_parents(self, state: State) -> Set[int]:
        """Return ended trials that include every one that a later candidate may continue."""
        return frozenset()


class PopulationBased(Evaluator):
    """Evaluator in which trials continue the model of a parent.

    With `--exploit=truncation` or `surrogate` and without repeats the strategy names the parent.
    Otherwise, with any strategy, parents are the better half of all trials completed in earlier
    rounds that saved a model. Within a round the numbers of children of any two parents differ by
    at most one; the best parents come first, so parents beyond the first `popsize` get none.
    Failed trials and trials that saved no model are never parents.
    """

    continues_models = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._open_round = 0  # the first round that is not fully created

    def parent(self, candidate: Candidate, state: State) -> int | None:
        if self.config.members_have_models:
            return None if candidate.parent in self.gone else candidate.parent
        round_ = candidate.round
        if round_ == 0:
            return None
        able = (
            t for t in state.ranked() if t.has_model and t.round < round_ and t.id not in self.gone
        )
        half = math.ceil(state.models_before(round_) / 2)
        pool = list(itertools.islice(able, min(half, self.config.popsize)))
        if not pool:
            return None
        children = Counter(trial.parent for trial in state.in_round(round_))
        return min(pool, key=lambda trial: children[trial.id]).id

    def possible_parents(self, state: State) -> Set[int]:
        """Return the best `popsize` trials before each round that is not yet fully created.

        With `--exploit=surrogate` these are those that `ContinuedTraining` may still continue. If
        members continue their own models, they are the best `popsize` trials and the newest
        trial of each member. With `--schedule=round` the results of a round count only when the
        round is complete, so there are twice as many.
        """
        if not self.config.members_have_models:
            return set(self._better_half(state))
        if self.config.exploit == "surrogate":
            return self._promising(state)
        newest = 1 if self.config.schedule == "async" else 2
        able = (trial.id for trial in state.ranked() if trial.has_model)
        best = itertools.islice(able, newest * self.config.popsize)
        return {*best, *self._newest_of_members(state, newest)}

    def _promising(self, state: State) -> set[int]:
        """Return what no trial has come in place of, and not too many others beat."""
        ages: dict[int, int] = {}
        learned: list[Scored] = []
        unknown: set[int] = set()  # with `--schedule=round`: not learned yet
        over: set[int] = set()
        first = self._first_open(state) if self.config.schedule == "round" else math.inf
        for trial in state.trials.values():
            ages[trial.id] = 1 + (0 if trial.parent is None else ages[trial.parent])
            if trial.round >= first:
                unknown.add(trial.id)
            elif trial.status.is_final and (merit := state.told(trial)) is not None:
                learned.append(Scored(trial.id, merit, ages[trial.id]))
                has_model = trial.has_model and trial.status is Status.COMPLETED
                if trial.parent is not None and has_model:
                    is_same = trial.params == state.trials[trial.parent].params
                    over |= {trial.parent} if is_same else set()
        return unknown | (promising(learned, KEPT * self.config.popsize) - over)

    def _first_open(self, state: State) -> int:
        """Return the first round of which a trial has not ended or does not exist."""
        round_ = 0
        while True:
            trials = state.in_round(round_)
            if len(trials) < self.config.popsize or not all(t.status.is_final for t in trials):
                return round_
            round_ += 1

    def _newest_of_members(self, state: State, count: int) -> Iterator[int]:
        left = dict.fromkeys(range(self.config.popsize), count)
        for trial in state.newest_first():
            if trial.status.is_final and left.get(trial.member, 0) > 0:
                left[trial.member] -= 1
                yield trial.id
                if not any(left.values()):
                    return

    def _better_half(self, state: State) -> Iterator[int]:
        """Yield the trials that may be parents in a round that is not fully created."""
        members, in_round = self.config.popsize, self.config.popsize * self.config.repeats
        while len(state.in_round(self._open_round)) >= in_round:
            self._open_round += 1
        better: list[int] = []  # the rounds of trials that rank above
        for trial in state.ranked():
            if not trial.has_model:
                continue
            first = max(self._open_round, trial.round + 1)  # the first round it can be a parent of
            if sum(round_ < first for round_ in better) < members:
                yield trial.id
            better.append(trial.round)
            if sum(round_ < self._open_round for round_ in better) >= members:
                return
