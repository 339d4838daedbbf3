"""Searches that are told of every epoch: ours with an assessor or without, and Optuna's.

Those of SMAC3 and Syne Tune are in files of their own.
"""

from __future__ import annotations

import enum
import math
from abc import ABC, abstractmethod
from typing import Any

from autofinetune.assessors import create_assessor
from autofinetune.core.curves import Curves
from autofinetune.space import Space
from autofinetune.strategies import Candidate, Exhausted, create_strategy
from benchmarks.fewer_epochs import constants
from benchmarks.search_quality.task import Params

SURROGATE = "surrogate"


class Verdict(enum.Enum):
    """What happens to a training after a report."""

    CONTINUE = enum.auto()
    STOP = enum.auto()
    PAUSE = enum.auto()


class Search(ABC):
    """Gives configurations, and says when to stop or to pause one."""

    @abstractmethod
    def ask(self, number: int) -> Params | int | None:
        """Return the configuration of trial `number`, or a paused trial's number to continue it.

        None leaves the slot empty from here on: all configurations were asked.
        """

    @abstractmethod
    def report(self, number: int, position: int, score: float) -> Verdict:
        """Take the score of an epoch that is not the last."""

    @abstractmethod
    def complete(self, number: int, position: int, score: float) -> None:
        """Take the score of the last epoch."""

    @abstractmethod
    def failed(self, number: int, position: int) -> None:
        """Take note that a trial ended in this epoch without a score."""


class Ours(Search):
    """A strategy with an assessor such as `asha:eta=4`, `none` or `surrogate`.

    `length` as the value of an option is that of a training: `asha:max_steps=length`.
    """

    def __init__(
        self, space: Space, seed: int, slots: int, strategy: str, assessor: str, length: int
    ) -> None:
        self._strategy = create_strategy(strategy, space, popsize=slots, seed=seed)
        name, _, words = assessor.partition(":")
        words = words.replace("=length", f"={length}")
        options = dict(word.split("=") for word in words.split(",") if word)
        self._is_joint = name == SURROGATE
        if self._is_joint:
            constants.apply(options)
            self._strategy.announce(0 if "learned" in options else length)
        self._assessor = None if self._is_joint else create_assessor(name, "maximize", options)
        self._curves = Curves()
        self._open: dict[int, Candidate] = {}

    def ask(self, number: int) -> Params | None:
        try:
            (candidate,) = self._strategy.ask(1)
        except Exhausted:
            return None
        self._open[number] = candidate
        self._curves.begin(number)
        return candidate.params

    def report(self, number: int, position: int, score: float) -> Verdict:
        candidate, curve = self._open[number], self._curves.running[number]
        curve.add(position, score)
        if self._is_joint:
            self._strategy.report(candidate, position, score)
            judgement = self._strategy.judge(candidate)
            if judgement is None or not judgement.is_hopeless:
                return Verdict.CONTINUE
            self._strategy.stopped(candidate)
            self._strategy.tell(candidate, judgement.expected)
        else:
            is_late = 0 < self._curves.furthest <= position
            if not self._assessor or is_late or not self._assessor.assess(curve, self._curves):
                return Verdict.CONTINUE
            self._strategy.tell(candidate, self._curves.expected(curve))
        self._curves.stop(number)
        return Verdict.STOP

    def complete(self, number: int, position: int, score: float) -> None:
        candidate = self._open[number]
        self._curves.running[number].add(position, score)
        self._curves.complete(number, score)
        if self._is_joint:
            self._strategy.report(candidate, position, score)
        self._strategy.tell(candidate, score)

    def failed(self, number: int, position: int) -> None:
        self._curves.fail(number)
        self._strategy.tell(self._open[number], None)


class Optunas(Search):
    """An Optuna study: `tpe`, `gp` or `gp-noisy`, with `median`, `hyperband` or `asha`.

    `tpe` is multivariate with a constant liar, which its documents advise for parallel trials.
    """

    def __init__(self, space: Space, seed: int, sampler: str, pruner: str, length: int) -> None:
        import optuna

        from benchmarks.search_quality.peers_optuna import Optuna

        pruners: dict[str, Any] = {
            "median": lambda: optuna.pruners.MedianPruner(),
            "hyperband": lambda: optuna.pruners.HyperbandPruner(1, length, 3),
            "asha": lambda: optuna.pruners.SuccessiveHalvingPruner(max(1, length // 12), 3),
            "none": lambda: optuna.pruners.NopPruner(),
        }
        self._study = Optuna(space, 0, seed, sampler)
        self._study.study.pruner = pruners[pruner]()
        self._open: dict[int, Any] = {}

    def ask(self, number: int) -> Params:
        (asked,) = self._study.ask(1)
        self._open[number] = asked.token
        return asked.params

    def report(self, number: int, position: int, score: float) -> Verdict:
        import optuna

        trial = self._open[number]
        trial.report(score, position)
        if not trial.should_prune():
            return Verdict.CONTINUE
        self._study.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return Verdict.STOP

    def complete(self, number: int, position: int, score: float) -> None:
        self._open[number].report(score, position)
        self._study.study.tell(self._open[number], score)

    def failed(self, number: int, position: int) -> None:
        """Tell it as pruned, which its TPE ranks below all others; failed ones it ignores."""
        import optuna

        self._open[number].report(math.nan, position)
        self._study.study.tell(self._open[number], state=optuna.trial.TrialState.PRUNED)


def create(method: str, space: Space, seed: int, slots: int, length: int) -> Search:
    """Make `pshe2+surrogate`, `random+asha:max_steps=52`, `optuna-tpe+median`, `smac+hyperband`,
    `syne-cqr+asha`, ..."""
    strategy, _, assessor = method.partition("+")
    if strategy.startswith("optuna-"):
        return Optunas(space, seed, strategy.removeprefix("optuna-"), assessor or "none", length)
    if strategy == "smac":
        from benchmarks.fewer_epochs.peers_smac import Smac

        return Smac(space, seed, length)
    if strategy.startswith("syne-"):
        from benchmarks.fewer_epochs.peers_syne import Syne

        return Syne(space, seed, strategy.removeprefix("syne-"), length)
    return Ours(space, seed, slots, strategy, assessor or "none", length)
