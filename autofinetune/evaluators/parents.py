"""Which saved model a trial continues: none, or that of a good earlier trial."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Set

from autofinetune.config.config import Config
from autofinetune.core.state import State
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

    With `--exploit=truncation` and without repeats the strategy names the parent. Otherwise, with
    any strategy, parents are the better half of all trials completed in earlier rounds that saved
    a model. Within a round the numbers of children of any two parents differ by at most one; the
    best parents come first, so parents beyond the first `popsize` get none. Failed trials and
    trials that saved no model are never parents.
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

        If members continue their own models, these are the best `popsize` trials and the newest
        trial of each member. With `--schedule=round` the results of a round count only when the
        round is complete, so there are twice as many.
        """
        if not self.config.members_have_models:
            return set(self._better_half(state))
        newest = 1 if self.config.schedule == "async" else 2
        able = (trial.id for trial in state.ranked() if trial.has_model)
        best = itertools.islice(able, newest * self.config.popsize)
        return {*best, *self._newest_of_members(state, newest)}

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
