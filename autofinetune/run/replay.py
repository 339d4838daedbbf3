"""The run that trains one schedule of hyperparameters again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from autofinetune.config.config import Config
from autofinetune.core.trials import Trial


def replay_of(config: Config, chain: Sequence[Trial]) -> Config:
    """Return the configuration of a run that trains only this chain of trials, from scratch."""
    return dataclasses.replace(
        config,
        popsize=1,
        round=len(chain),
        max_trials=None,
        target_score=None,
        repeats=1,
        evaluator="populationbased",
        exploit="truncation",
        enqueued=(),
        earlier=(),
        replayed=tuple(trial.params for trial in chain),
    )
