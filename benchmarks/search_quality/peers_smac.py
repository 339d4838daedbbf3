"""SMAC3's facade for hyperparameter optimisation through its ask and tell interface."""

from __future__ import annotations

import functools
import logging
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autofinetune.space import Space, Value

from .method import Asked, Method, filled


class Smac(Method):
    """Random forest, log expected improvement; the initial values are its first configuration.

    Asked five times before it is told anything, it would fit to the same data five times and go
    down its list of challengers, which is how its own parallel runs work. A failed trial has
    crashed, at the cost of the worst one so far.
    """

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        from ConfigSpace import ConfigurationSpace, InCondition
        from smac import HyperparameterOptimizationFacade, Scenario

        logging.disable(logging.CRITICAL)
        self._entries: dict[str, dict[str, Any]] = {p.name: {**p.describe()} for p in space}
        configurations = ConfigurationSpace(seed=seed)
        made = {name: hyperparameter(entry) for name, entry in self._entries.items()}
        configurations.add(list(made.values()))
        for p in space:
            if p.condition:
                values = [*p.condition.indices]
                configurations.add(InCondition(made[p.name], made[p.condition.parent], values))
        self._known: list[float] = []
        self._folder = tempfile.TemporaryDirectory()  # it always writes its history
        scenario = Scenario(
            configurations,
            deterministic=True,
            n_trials=trials,
            seed=seed,
            output_directory=Path(self._folder.name),
        )
        facade = HyperparameterOptimizationFacade
        first = configurations.get_default_configuration()
        design: Any = facade.get_initial_design(scenario, additional_configs=[first])
        # Additional configurations come last there; a trial told without being asked for instead
        # keeps SMAC 2.4 busy for ever.
        design.select_configurations = functools.partial(turned, design.select_configurations)
        self._smac: Any = facade(
            scenario,
            lambda config, seed: 0.0,  # never called: scores are told
            initial_design=design,
            logging_level=False,
            overwrite=True,
        )

    def ask(self, n: int) -> Sequence[Asked]:
        infos = [self._smac.ask() for _ in range(n)]
        return [Asked(self._params(info.config), info) for info in infos]

    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        from smac.runhistory.dataclasses import TrialValue
        from smac.runhistory.enumerations import StatusType

        values = filled(scores, self._known)
        for one, score, value in zip(asked, scores, values, strict=True):
            status = StatusType.CRASHED if math.isnan(score) else StatusType.SUCCESS
            self._smac.tell(one.token, TrialValue(cost=-value, status=status))

    def _params(self, configuration: Any) -> dict[str, Value]:
        return {
            name: value(entry, configuration[name])
            for name, entry in self._entries.items()
            if name in configuration  # which lists the active ones
        }


def turned(select: Callable[[], list[Any]]) -> list[Any]:
    """The last one first."""
    selected = select()
    return selected[-1:] + selected[:-1]


def hyperparameter(entry: dict[str, Any]) -> Any:
    from ConfigSpace import CategoricalHyperparameter, Float, Integer

    name = entry["name"]
    if entry["type"] == "choice":
        places = list(range(len(entry["choices"])))  # None and True are no choices there
        first = entry["choices"].index(entry["init_value"])
        return CategoricalHyperparameter(name, places, default_value=first)
    make = Integer if entry["type"] == "int" else Float
    bounds = entry["greater_than"], entry["lower_than"]
    return make(name, bounds, default=entry["init_value"], log=entry.get("log", False))


def value(entry: dict[str, Any], found: Any) -> Value:
    if entry["type"] == "choice":
        choice: Value = entry["choices"][int(found)]
        return choice
    return int(found) if entry["type"] == "int" else float(found)
