"""One trial of a search: a Trainer revived in its process, trained and evaluated."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from transformers import TrainerCallback

from autofinetune.adapters.transformers import agreed
from autofinetune.trial.report import report_intermediate_result, should_stop

from .checkpoints import RunDirectories
from .search_trial import SearchTrial
from .shipped import Shipped
from .values import split

Objective = Callable[[Mapping[str, float]], float]


@dataclass(frozen=True)
class Job:
    """What all trials of a search have in common.

    Args:
        objective: makes the score of the metrics of an evaluation.
        is_best: whether the best evaluation is the score of the trial, rather than the last one.
        is_maximized: whether a higher score is better.
    """

    shipped: Shipped
    model_init: Callable[..., Any]
    objective: Objective
    directories: RunDirectories
    is_best: bool
    is_maximized: bool


def bound(model_init: Callable[..., Any], trial: SearchTrial) -> Callable[[], Any]:
    """Return `model_init` without parameters: one that takes the trial gets it."""
    return (lambda: model_init(trial)) if takes_trial(model_init) else model_init


def takes_trial(model_init: Callable[..., Any]) -> bool:
    """Return whether `model_init` takes the trial; it has at most one parameter."""
    return len(inspect.signature(model_init).parameters) == 1


def run(job: Job, params: Mapping[str, Any], saved_params_dir: str) -> float | None:
    """Train with the hyperparameters and save the model; return the score.

    Return None if the trial was stopped early.
    """
    shipped = job.shipped
    trial = SearchTrial(int(os.environ["AUTOFINETUNE_TRIAL"]), params)
    start = shipped.args_kind(**shipped.fields)
    values, _ = split(start, params, others_allowed=True)
    if start.process_index == 0:
        job.directories.take(trial, os.environ["AUTOFINETUNE_RUN"])
    values["output_dir"] = job.directories.of(trial)
    trainer = shipped.revived(values, bound(job.model_init, trial))
    trainer.model = trainer.model_wrapped = None  # train() makes a new one
    trainer.callback_handler.model = None
    reports = _Reports(trainer, job)
    trainer.train()
    if reports.score is None:
        trainer.evaluate()
    if reports.is_stopped:
        return None
    trainer.save_model(saved_params_dir)
    return reports.score


class _Reports:
    """Reports every evaluation of a Trainer, and ends its training if the trial should stop.

    It is around `evaluate`, and no callback, because only there the metrics of several evaluation
    datasets are together.
    """

    def __init__(self, trainer: Any, job: Job) -> None:
        self._trainer, self._job = trainer, job
        self._evaluate = trainer.evaluate
        self._depth = 0
        self.score: float | None = None
        self.is_stopped = False
        trainer.evaluate = self.evaluate
        trainer.add_callback(_Stop(self))

    def evaluate(self, *args: Any, **kwargs: Any) -> Mapping[str, float]:
        self._depth += 1  # it calls itself for each of several datasets
        try:
            metrics: Mapping[str, float] = self._evaluate(*args, **kwargs)
        finally:
            self._depth -= 1
        if not self._depth:
            self._report(metrics)
        return metrics

    def _report(self, metrics: Mapping[str, float]) -> None:
        value, state = float(self._job.objective(dict(metrics))), self._trainer.state
        is_by_epoch = self._trainer.args.eval_strategy == "epoch"
        # Epochs can be compared between trials with different batch sizes.
        step = max(1, round(state.epoch or 0)) if is_by_epoch else state.global_step
        report_intermediate_result(value, step)
        if self.score is None or not self._job.is_best or self._is_better(value, self.score):
            self.score = value
        if agreed(self._trainer.args, is_to_stop=should_stop()):
            self.stop(self._trainer.control)

    def _is_better(self, value: float, than: float) -> bool:
        if than - than != 0.0:  # neither NaN nor infinite
            return True
        return value > than if self._job.is_maximized else value < than

    def stop(self, control: Any) -> None:
        self.is_stopped = True
        control.should_training_stop = True


class _Stop(TrainerCallback):  # type: ignore[misc]  # transformers has no types here
    """Ends a training in one process between two evaluations."""

    def __init__(self, reports: _Reports) -> None:
        self._reports = reports

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if args.world_size == 1 and should_stop():
            self._reports.stop(control)
