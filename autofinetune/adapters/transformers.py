"""Hugging Face transformers: adds a callback to every Trainer through its default callbacks."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from autofinetune.trial import logged

SOURCE = "transformers"


def on_trainer(module: ModuleType) -> None:
    """Append the callback; it does nothing without `--metric`."""
    base = importlib.import_module("transformers.trainer_callback").TrainerCallback
    module.DEFAULT_CALLBACKS.append(_callback(base))


def _callback(base: Any) -> Any:
    class Autofinetune(base):  # type: ignore[misc]
        """Reports the metric, named as `eval_accuracy`, `accuracy` or `eval/accuracy`."""

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            metric = logged.wanted()
            if metric and state.is_world_process_zero:
                also = (f"eval_{metric}", metric.replace("/", "_", 1))
                logged.values(SOURCE, dict(logs or {}).items(), *also)

        def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if logged.wanted() and _agreed(args):
                control.should_training_stop = True

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if args.world_size == 1 and logged.wanted() and logged.is_to_stop(SOURCE):
                control.should_training_stop = True

    return Autofinetune


def _agreed(args: Any) -> bool:
    """Return rank 0's decision to stop, on all ranks."""
    is_to_stop = logged.is_to_stop(SOURCE)
    if args.world_size == 1:
        return is_to_stop
    torch = sys.modules["torch"]
    decision = torch.tensor(int(is_to_stop), device=args.device)
    torch.distributed.broadcast(decision, src=0)
    return bool(decision.item())
