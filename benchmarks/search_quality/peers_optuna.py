"""Optuna's samplers through its ask and tell interface."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from autofinetune.space import Space, Value

from .method import Asked, Method, filled
from .task import Params


class Optuna(Method):
    """`sampler`: tpe (the defaults, which are multivariate with constant liar since 5.0),
    tpe-group (multivariate, group, constant liar), tpe-uni (one parameter at a time), cmaes, gp,
    gp-noisy (for scores with noise).

    `failures`: `constraint`, where a failed trial violates a constraint and has the worst score so
    far; or `fail`, where it has the state FAIL, of which no sampler learns anything.
    """

    def __init__(
        self, space: Space, trials: int, seed: int, sampler: str, failures: str = "fail"
    ) -> None:
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
        self._space = space
        self._entries: list[dict[str, Any]] = [{**p.describe()} for p in space]
        self.study = optuna.create_study(direction="maximize", sampler=made)
        self.study.enqueue_trial(space.init_params)
        self._failures, self._failed = failures, optuna.trial.TrialState.FAIL
        self._known: list[float] = []

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
            params: dict[str, Value] = {}
            for parameter, entry in zip(self._space, self._entries, strict=True):
                if self._space.is_active(parameter, params):
                    params[parameter.name] = suggest(trial, entry)
            asked.append(Asked(params, trial))
        return asked

    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        values = filled(scores, self._known)
        for one, score, value in zip(asked, scores, values, strict=True):
            has_failed = math.isnan(score)
            if has_failed and self._failures == "fail":
                self.study.tell(one.token, state=self._failed)
                continue
            if self._failures == "constraint":
                one.token.set_constraint("fails", 1.0 if has_failed else -1.0)
            self.study.tell(one.token, value)

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
