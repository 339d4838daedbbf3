"""Sets a Trainer up with the hyperparameters of the best run."""

from __future__ import annotations

from typing import Any

from autofinetune.errors import UsageError

from .search import TRANSFORMERS
from .search_trial import SearchTrial
from .values import split


def apply_best(trainer: Any, best: Any) -> None:
    """Give a Trainer the hyperparameters of a BestRun; `trainer.train()` then trains with them.

    Its TrainingArguments get those that are fields of it, and `model_init` the others, if it takes
    the trial. The training is the one of that trial again, in this process.

    Args:
        trainer: the Trainer of the search, or another one with the same `model_init`.
        best: what `hyperparameter_search` returned.

    Raises:
        UsageError: a hyperparameter is neither a field nor taken by `model_init`.
    """
    TRANSFORMERS.check("apply_best")
    from .shipped import Shipped
    from .trial import bound, takes_trial

    init = trainer.model_init
    if init is None:
        raise UsageError("the Trainer has no model_init", "give the Trainer of the search")
    values, _ = split(trainer.args, best.hyperparameters, others_allowed=takes_trial(init))
    trial = SearchTrial(int(best.run_id), best.hyperparameters)
    Shipped.of(trainer).set_up(trainer, values, bound(init, trial))
