"""Syne Tune's multi-fidelity schedulers: asynchronous successive halving with a searcher.

Release 0.16 has the stopping variant alone, and no MOBSTER, Hyper-Tune or DyHPO any more. The
searcher `botorch` is left out: it needs BoTorch and GPyTorch.
"""

from __future__ import annotations

import datetime
import logging
from typing import Any

from autofinetune.space import Space, Value
from benchmarks.fewer_epochs.searches import Search, Verdict
from benchmarks.search_quality.task import Params

_SCORE, _EPOCH = "score", "epoch"


class Syne(Search):
    """`searcher` is `cqr` (conformal quantile regression), `bore`, `kde` (which is BOHB),
    `regularized_evolution` or `random_search`; the first rung is after 1 epoch, eta is 3, as the
    schedulers of that package (`ASHACQR`, `ASHABORE`, `BOHB`, `ASHA`) have it.
    """

    def __init__(self, space: Space, seed: int, searcher: str, length: int) -> None:
        from syne_tune.optimizer.schedulers.asha import AsynchronousSuccessiveHalving

        logging.disable(logging.CRITICAL)
        self._entries: dict[str, dict[str, Any]] = {p.name: {**p.describe()} for p in space}
        first = {
            name: str(entry["choices"].index(entry["init_value"]))
            if entry["type"] == "choice"
            else entry["init_value"]
            for name, entry in self._entries.items()
        }
        self._scheduler: Any = AsynchronousSuccessiveHalving(
            {name: _domain(entry) for name, entry in self._entries.items()},
            metric=_SCORE,
            do_minimize=False,
            searcher=searcher,
            time_attr=_EPOCH,
            max_t=length,
            random_seed=seed,
            searcher_kwargs={"points_to_evaluate": [first]},
        )
        self._trials: dict[int, Any] = {}

    def ask(self, number: int) -> Params | None:
        from syne_tune.backend.trial_status import Trial

        suggestion = self._scheduler.suggest()
        if suggestion is None:
            return None
        config = suggestion.config
        trial = Trial(trial_id=number, config=config, creation_time=datetime.datetime.now())
        self._trials[number] = trial
        self._scheduler.on_trial_add(trial)
        return {name: _value(entry, config[name]) for name, entry in self._entries.items()}

    def report(self, number: int, position: int, score: float) -> Verdict:
        result = {_SCORE: score, _EPOCH: position}
        decision = self._scheduler.on_trial_result(self._trials[number], result)
        return Verdict.STOP if decision == "STOP" else Verdict.CONTINUE

    def complete(self, number: int, position: int, score: float) -> None:
        self.report(number, position, score)

    def failed(self, number: int, position: int) -> None:
        self._scheduler.on_trial_error(self._trials[number])


def _domain(entry: dict[str, Any]) -> Any:
    from syne_tune import config_space

    if entry["type"] == "choice":
        return config_space.choice([str(place) for place in range(len(entry["choices"]))])
    is_int, is_log = entry["type"] == "int", entry.get("log", False)
    if is_int:
        make = config_space.lograndint if is_log else config_space.randint
    else:
        make = config_space.loguniform if is_log else config_space.uniform
    return make(entry["greater_than"], entry["lower_than"])


def _value(entry: dict[str, Any], found: Any) -> Value:
    if entry["type"] == "choice":
        choice: Value = entry["choices"][int(found)]
        return choice
    return int(found) if entry["type"] == "int" else float(found)
