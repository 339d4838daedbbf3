"""A trial as `model_init(trial)` and `hp_name(trial)` see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autofinetune.errors import UsageError
from autofinetune.trial.suggest import Suggesting


class SearchTrial(Suggesting, dict[str, Any]):
    """What `model_init(trial)` and `hp_name(trial)` get: hyperparameters by name.

    It is a dict, as with Ray and W&B, and has `params`, `number` and the methods `suggest_...` of
    Optuna's trials, which answer with the values of this trial.
    """

    def __init__(self, number: int, params: Mapping[str, Any]) -> None:
        super().__init__()
        self.update(params)
        self.params = dict(params)
        self.number = number

    def _answer(self, name: str, entry: Mapping[str, Any]) -> Any:
        if name not in self:
            raise UsageError(f"{name} is not among the hyperparameters", "suggest it in hp_space")
        return self[name]
