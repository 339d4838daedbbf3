"""Population-Based: after the first round, trials continue good models that were saved before."""

from __future__ import annotations

import itertools
import math
from collections import Counter

from autofinetune.state import State

from .base import Evaluator


class PopulationBased(Evaluator):
    """Parents are the better half of everything completed in earlier rounds that saved a model.

    Within a round every parent gets equally many children (they differ by one at most), the best
    parents first, so that parents beyond the first `popsize` get none. Failed trials and trials
    that saved nothing are never parents.
    """

    continues_models = True

    def parent(self, round_: int, state: State) -> int | None:
        if round_ == 0:
            return None
        able = (t for t in state.ranked() if t.has_model and t.round < round_)
        half = math.ceil(state.models_before(round_) / 2)
        pool = list(itertools.islice(able, min(half, self.config.popsize)))
        if not pool:
            return None
        children = Counter(trial.parent for trial in state.in_round(round_))
        return min(pool, key=lambda trial: children[trial.id]).id
