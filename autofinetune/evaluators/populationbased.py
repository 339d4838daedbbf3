"""Population-Based: trials continue good models saved by earlier trials."""

from __future__ import annotations

import itertools
import math
from collections import Counter

from autofinetune.core.state import State
from autofinetune.strategies.base import Candidate

from .base import Evaluator


class PopulationBased(Evaluator):
    """Evaluator in which trials continue the model of a parent.

    With `--exploit=truncation` and without repeats the strategy names the parent. Otherwise, with
    any strategy, parents are the better half of all trials completed in earlier rounds that saved
    a model. Within a round the numbers of children of any two parents differ by at most one; the
    best parents come first, so parents beyond the first `popsize` get none. Failed trials and
    trials that saved no model are never parents.
    """

    continues_models = True

    def parent(self, candidate: Candidate, state: State) -> int | None:
        if self.config.members_have_models:
            return candidate.parent
        round_ = candidate.round
        if round_ == 0:
            return None
        able = (t for t in state.ranked() if t.has_model and t.round < round_)
        half = math.ceil(state.models_before(round_) / 2)
        pool = list(itertools.islice(able, min(half, self.config.popsize)))
        if not pool:
            return None
        children = Counter(trial.parent for trial in state.in_round(round_))
        return min(pool, key=lambda trial: children[trial.id]).id
