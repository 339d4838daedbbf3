"""A Trainer without what belongs to one process, and a Trainer made of that in another one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from transformers import Trainer
from transformers.trainer_callback import ExportableState, PrinterCallback, ProgressCallback
from transformers.trainer_utils import set_seed

from .values import fields_of

# Attributes that Trainer.__init__ makes from its arguments and the process in which it runs.
_OF_A_PROCESS = frozenset({
    "args", "accelerator", "callback_handler", "control", "current_flos", "deepspeed",
    "gather_function", "hp_name", "hp_search_backend", "hp_space", "is_in_train", "label_smoother",
    "lr_scheduler", "model", "model_wrapped", "neftune_hook_handle", "neftune_noise_alpha",
    "objective", "compute_objective", "optimizer", "place_model_on_device", "state",
    "_created_lr_scheduler", "_eval_dataloaders", "_loggers_initialized", "_memory_tracker",
    "_mixed_mesh_grads", "_signature_columns", "_train_batch_size", "_train_dataloader", "_trial",
    "jit_checkpoint_callback", "is_fsdp_xla_v1_enabled", "is_fsdp_xla_v2_enabled",
    "is_fsdp_xla_enabled", "is_fsdp_enabled", "is_deepspeed_enabled", "_past", "_tr_loss",
    "_globalstep_last_logged", "_total_loss_scalar", "_initial_global_step", "_attn_mask_reduced",
})  # fmt: skip


@dataclass(frozen=True)
class Shipped:
    """What makes a Trainer.

    Args:
        kind: its class; `args_kind` is that of its TrainingArguments.
        fields: the fields of its TrainingArguments.
        attributes: its other attributes, also those of a subclass.
        callbacks: its callbacks: a class for each that the Trainer or transformers makes.
    """

    kind: type[Any]
    args_kind: type[Any]
    fields: Mapping[str, Any]
    attributes: Mapping[str, Any]
    callbacks: tuple[Any, ...]

    @classmethod
    def of(cls, trainer: Any) -> Shipped:
        """Take apart a Trainer, which stays as it is."""
        fields = {name: getattr(trainer.args, name) for name in fields_of(trainer.args)}
        kept = {n: value for n, value in vars(trainer).items() if n not in _OF_A_PROCESS}
        callbacks = tuple(map(_unused, trainer.callback_handler.callbacks))
        return cls(type(trainer), type(trainer.args), fields, kept, callbacks)

    def revived(self, values: Mapping[str, Any], model_init: Callable[[], Any]) -> Any:
        """Return a new Trainer whose TrainingArguments have these values, too."""
        return self.set_up(object.__new__(self.kind), values, model_init)

    def set_up(
        self, trainer: Any, values: Mapping[str, Any], model_init: Callable[[], Any]
    ) -> Any:
        """Initialize a Trainer as if its script had these values in its TrainingArguments.

        Only Trainer's own constructor is called; what a subclass set is restored afterwards.
        """
        args = self.args_kind(**{**self.fields, **values})
        own = {**self.attributes, "model_init": model_init}
        takes = inspect.signature(Trainer.__init__).parameters
        given = {name: own[name] for name in takes if name in own}
        vars(trainer).update(own)  # methods that the constructor calls may be of the subclass
        set_seed(args.seed)
        Trainer.__init__(trainer, args=args, callbacks=[], **given)
        vars(trainer).update(own)
        handler = trainer.callback_handler
        handler.callbacks = _joined(handler.callbacks, self.callbacks)
        return trainer


def _unused(callback: Any) -> Any:
    """Return a callback without the state of earlier trainings; a class stands for a new one."""
    kind = type(callback)
    if isinstance(callback, ExportableState):  # such as EarlyStoppingCallback, which counts
        return kind(**callback.state()["args"])
    return kind if kind.__module__.partition(".")[0] == "transformers" else callback


def _joined(made: list[Any], shipped: tuple[Any, ...]) -> list[Any]:
    """Return the callbacks of the original Trainer, with those that were made for this process."""
    at_hand = {type(one): one for one in made}
    progress = [one for one in made if _shows_progress(type(one))]
    found: list[Any] = []
    for one in shipped:
        if not isinstance(one, type):
            found.append(one)
        elif _shows_progress(one):  # a notebook has another one
            found += [bar for bar in progress if bar not in found]
        else:
            found.append(at_hand[one] if one in at_hand else one())
    return found


def _shows_progress(kind: type) -> bool:
    is_bar = issubclass(kind, (PrinterCallback, ProgressCallback))
    return is_bar or kind.__name__ == "NotebookProgressCallback"
