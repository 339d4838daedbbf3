"""Hugging Face transformers: adds a callback to every Trainer through its default callbacks."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import Any

from autofinetune.trial.hooks import around
from autofinetune.trial.reporter import Reporter

_WEIGHTS = ("model.", "model-", "pytorch_model", "adapter_model")


def on_trainer(module: ModuleType) -> None:
    """Append the callback, which does nothing without `--metric`, and continue models."""
    base = importlib.import_module("transformers.trainer_callback").TrainerCallback
    kind: Any = type("Autofinetune", (Reports, base), {"reporter": Reporter("transformers")})
    module.DEFAULT_CALLBACKS.append(kind)
    around(module.Trainer, "train", _train)


def _train(
    train: Any, trainer: Any, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any
) -> Any:
    """Let `train(resume_from_checkpoint=<the model to continue>)` continue that model.

    As Trainer understands it, a training that has ended would be over at once, and the optimizer
    would get back the learning rate of the earlier trial. So only the weights are loaded, those
    that the script saved last, and the training begins: `num_train_epochs` more, with the
    hyperparameters of this trial.
    """
    folder = _to_continue(resume_from_checkpoint)
    if not folder or trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled:
        return train(trainer, resume_from_checkpoint, *args, **kwargs)
    init = trainer.model_init
    if init is None:
        trainer._load_from_checkpoint(folder)
    else:
        trainer.model_init = lambda *trial: _loaded(trainer, init(*trial), folder)
    try:
        return train(trainer, None, *args, **kwargs)
    finally:
        trainer.model_init = init


def _loaded(trainer: Any, model: Any, folder: str) -> Any:
    trainer._load_from_checkpoint(folder, model)
    return model


def _to_continue(given: Any) -> str:
    """Return where the weights of the model to continue are, if `given` is there, else `""`."""
    parent = os.environ.get("AUTOFINETUNE_MODEL_PATH")
    if not (parent and isinstance(given, (str, os.PathLike)) and os.path.isdir(given)):
        return ""
    folder, parent = os.path.realpath(given), os.path.realpath(parent)
    if os.path.commonpath([folder, parent]) != parent:
        return ""
    if any(name.startswith(_WEIGHTS) for name in os.listdir(folder)):
        return folder
    utils = importlib.import_module("transformers.trainer_utils")
    return utils.get_last_checkpoint(folder) or ""


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
        if self.reporter.metric and agreed(args, is_to_stop=self.reporter.is_to_stop()):
            control.should_training_stop = True

    def _end(self, state: Any) -> None:
        if state.is_world_process_zero:
            self.reporter.end()


def agreed(args: Any, *, is_to_stop: bool) -> bool:
    """Return rank 0's decision, on all ranks."""
    if args.world_size == 1:
        return is_to_stop
    torch = sys.modules["torch"]
    decision = torch.tensor(int(is_to_stop), device=args.device)
    torch.distributed.broadcast(decision, src=0)
    return bool(decision.item())
