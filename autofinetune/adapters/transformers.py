"""Hugging Face transformers: adds a callback to every Trainer through its default callbacks."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from autofinetune.trial.reporter import Reporter


def on_trainer(module: ModuleType) -> None:
    """Append the callback; it does nothing without `--metric`."""
    base = importlib.import_module("transformers.trainer_callback").TrainerCallback
    kind: Any = type("Autofinetune", (Reports, base), {"reporter": Reporter("transformers")})
    module.DEFAULT_CALLBACKS.append(kind)


class Reports:
    """Reports the metric, named as `eval_accuracy`, `accuracy` or `eval/accuracy`.

    To be combined with `TrainerCallback`. Rank 0 reports, and all ranks stop together.
    """

    reporter: Reporter
    is_training = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.is_training = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        metric = self.reporter.metric
        if metric and state.is_world_process_zero:
            # The loss of the training is logged as `loss`.
            also = () if metric == "loss" else (f"eval_{metric}", metric.replace("/", "_", 1))
            self.reporter.values(dict(logs or {}).items(), *also)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._stop_together(args, control)
        if not self.is_training:
            self._end(state)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._stop_together(args, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if args.world_size == 1 and self.reporter.metric and self.reporter.is_to_stop():
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.is_training = False
        self._end(state)

    def _stop_together(self, args: Any, control: Any) -> None:
        if self.reporter.metric and _agreed(args, is_to_stop=self.reporter.is_to_stop()):
            control.should_training_stop = True

    def _end(self, state: Any) -> None:
        if state.is_world_process_zero:
            self.reporter.end()


def _agreed(args: Any, *, is_to_stop: bool) -> bool:
    """Return rank 0's decision, on all ranks."""
    if args.world_size == 1:
        return is_to_stop
    torch = sys.modules["torch"]
    decision = torch.tensor(int(is_to_stop), device=args.device)
    torch.distributed.broadcast(decision, src=0)
    return bool(decision.item())
