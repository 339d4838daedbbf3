"""SMAC3's multi-fidelity facade: Hyperband over a random forest, by ask and tell."""

from __future__ import annotations

import functools
import logging
import math
import tempfile
from pathlib import Path
from typing import Any

from autofinetune.space import Space
from benchmarks.fewer_epochs.searches import Search, Verdict
from benchmarks.search_quality.peers_smac import hyperparameter, turned, value
from benchmarks.search_quality.task import Params

_ETA = 3
_TRIALS = 1000  # more than a search makes; its design is at most a quarter of them


class Smac(Search):
    """`MultiFidelityFacade` with its own settings; budgets from a whole training down to 1 epoch.

    Each promotion continues the trial where it was paused. It must be told a cost for a training
    that diverged: the highest one so far.
    """

    def __init__(self, space: Space, seed: int, length: int) -> None:
        from ConfigSpace import ConfigurationSpace
        from smac import MultiFidelityFacade, Scenario

        logging.disable(logging.CRITICAL)
        self._entries: dict[str, dict[str, Any]] = {p.name: {**p.describe()} for p in space}
        configurations = ConfigurationSpace(seed=seed)
        configurations.add([hyperparameter(entry) for entry in self._entries.values()])
        self._folder = tempfile.TemporaryDirectory()  # it always writes its history
        scenario = Scenario(
            configurations,
            deterministic=True,
            n_trials=_TRIALS,
            min_budget=length / _ETA ** int(math.log(length, _ETA)),
            max_budget=length,
            seed=seed,
            output_directory=Path(self._folder.name),
        )
        first = configurations.get_default_configuration()
        design: Any = MultiFidelityFacade.get_initial_design(scenario, additional_configs=[first])
        design.select_configurations = functools.partial(turned, design.select_configurations)
        self._smac: Any = MultiFidelityFacade(
            scenario,
            lambda config, seed, budget: 0.0,  # never called: scores are told
            initial_design=design,
            intensifier=MultiFidelityFacade.get_intensifier(scenario, eta=_ETA),
            logging_level=False,
            overwrite=True,
        )
        self._numbers: dict[Any, int] = {}
        self._asked: dict[int, Any] = {}
        self._scores: dict[int, list[float]] = {}
        self._is_failed: set[int] = set()
        self._worst = 0.0

    def ask(self, number: int) -> Params | int:
        while True:
            info = self._smac.ask()
            known = self._numbers.setdefault(info.config, number)
            self._asked[known] = info
            if known == number:
                self._scores[number] = []
                return {name: value(e, info.config[name]) for name, e in self._entries.items()}
            if known in self._is_failed:
                self._tell(known, self._worst, is_crash=True)
            elif len(self._scores[known]) < self._goal(known):
                return known
            else:  # another bracket needs a score that is known
                self._tell(known, -self._scores[known][self._goal(known) - 1])

    def report(self, number: int, position: int, score: float) -> Verdict:
        self._scores[number].append(score)
        self._worst = max(self._worst, -score)
        if position < self._goal(number):
            return Verdict.CONTINUE
        self._tell(number, -score)
        return Verdict.PAUSE

    def complete(self, number: int, position: int, score: float) -> None:
        self._scores[number].append(score)
        self._tell(number, -score)

    def failed(self, number: int, position: int) -> None:
        self._is_failed.add(number)
        self._tell(number, self._worst, is_crash=True)

    def _goal(self, number: int) -> int:
        return round(float(self._asked[number].budget))

    def _tell(self, number: int, cost: float, is_crash: bool = False) -> None:
        from smac.runhistory.dataclasses import TrialValue
        from smac.runhistory.enumerations import StatusType

        status = StatusType.CRASHED if is_crash else StatusType.SUCCESS
        self._smac.tell(self._asked[number], TrialValue(cost=cost, status=status))
