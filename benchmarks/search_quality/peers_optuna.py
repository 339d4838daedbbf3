"""Optuna's samplers through its ask and tell interface."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from autofinetune.space import Space, Value

from .method import Asked, Method
from .task import Params


class Optuna(Method):
    """`sampler`: tpe (the defaults, which are multivariate with constant liar since 5.0),
    tpe-group (multivariate, group, constant liar), tpe-uni (one parameter at a time), cmaes, gp,
    gp-noisy (for scores with noise).
    """

    def __init__(self, space: Space, trials: int, seed: int, sampler: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")  # of options that are experimental or on their way out
        samplers = optuna.samplers
        made: Any
        if sampler == "tpe":
            made = samplers.TPESampler(seed=seed)
        elif sampler == "tpe-group":
            made = samplers.TPESampler(
                seed=seed, multivariate=True, group=True, constant_liar=True
            )
        elif sampler == "tpe-uni":
            made = samplers.TPESampler(seed=seed, multivariate=False, constant_liar=True)
        elif sampler == "cmaes":
            made = samplers.CmaEsSampler(seed=seed)
        else:
            import torch

            torch.set_num_threads(1)
            # Most tasks are deterministic; saying so is this sampler's best setting for them.
            made = samplers.GPSampler(seed=seed, deterministic_objective=sampler != "gp-noisy")
        self._entries: list[dict[str, Any]] = [{**p.describe()} for p in space]
        self.study = optuna.create_study(direction="maximize", sampler=made)
        self.study.enqueue_trial(space.init_params)

    def recall(self, history: Sequence[tuple[Params, float]]) -> None:
        """Finished trials that this search did not ask, in place of the initial values."""
        import optuna

        study = optuna.create_study(direction="maximize", sampler=self.study.sampler)
        distributions = self._distributions()
        study.add_trials(
            optuna.create_trial(params=dict(params), distributions=distributions, value=score)
            for params, score in history
        )
        self.study = study

    def ask(self, n: int) -> Sequence[Asked]:
        asked = []
        for _ in range(n):
            trial = self.study.ask()
            params = {e["name"]: suggest(trial, e) for e in self._entries}
            asked.append(Asked(params, trial))
        return asked

    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        for one, score in zip(asked, scores, strict=True):
            self.study.tell(one.token, score)

    def _distributions(self) -> dict[str, Any]:
        """The space as Optuna notes it in a trial."""
        from optuna.study import create_study

        trial = create_study().ask()
        for entry in self._entries:
            suggest(trial, entry)
        found: dict[str, Any] = trial.distributions
        return found


def suggest(trial: Any, entry: dict[str, Any]) -> Value:
    name, value = entry["name"], None
    if entry["type"] == "choice":
        value = trial.suggest_categorical(name, entry["choices"])
    else:
        suggest = trial.suggest_int if entry["type"] == "int" else trial.suggest_float
        extra = {key: entry[key] for key in ("log", "step") if key in entry}
        value = suggest(name, entry["greater_than"], entry["lower_than"], **extra)
    found: Value = value
    return found
