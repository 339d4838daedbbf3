"""Pruning under torchrun for `trainer.hyperparameter_search(backend="optuna", pruner=...)`.

There rank 0 alone has the trial of Optuna, and leaves a pruned training by an exception; the other
ranks, which never learn of it, wait for rank 0 in the next collective operation, forever
(`Trainer._report_to_hp_search` and `run_hp_search_optuna`, transformers 4.20 to 5.24).
"""

from __future__ import annotations

from typing import Any

from autofinetune.adapters.transformers import agreed

from .search import TRANSFORMERS


def prune_together(trainer: Any, pruner: Any) -> Any:
    """Return a pruner with which all ranks of a training leave a pruned trial together.

        pruner = prune_together(trainer, AssessorPruner("asha"))
        trainer.hyperparameter_search(backend="optuna", pruner=pruner, ...)

    Every rank calls this. In a training of one process the pruner itself is returned.

    Args:
        trainer: the Trainer, which gets a callback.
        pruner: any pruner of Optuna.
    """
    TRANSFORMERS.check("prune_together")
    if trainer.args.world_size == 1:
        return pruner
    together = _together(pruner)
    trainer.add_callback(together.callback)
    return together


def _together(pruner: Any) -> Any:
    import optuna
    from transformers import TrainerCallback

    class Together(optuna.pruners.BasePruner):  # type: ignore[misc]
        """Notes that a trial is to be pruned, for the callback of rank 0."""

        def __init__(self) -> None:
            self.is_pruned = False
            self.callback = Leave(self)

        def prune(self, study: Any, trial: Any) -> bool:
            self.is_pruned = self.is_pruned or bool(pruner.prune(study, trial))
            return False  # else Trainer would leave rank 0 at once

    class Leave(TrainerCallback):  # type: ignore[misc]
        """Ends the training on all ranks at the first event after an evaluation.

        Rank 0 has reported the evaluation by then, and asked the pruner. It raises TrialPruned
        only once nothing is left that the ranks do together.
        """

        def __init__(self, pruner: Together) -> None:
            self._pruner = pruner
            self._is_due = self._is_leaving = False

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._pruner.is_pruned = self._is_due = self._is_leaving = False

        def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._is_due = True

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._decide(args, control)

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._decide(args, control)

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._decide(args, control)

        def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._decide(args, control)
            if self._is_leaving:  # one step was done since; it is not evaluated again
                control.should_evaluate = control.should_save = control.should_log = False

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._decide(args, control)
            if self._is_leaving and args.process_index == 0:
                raise optuna.TrialPruned

        def _decide(self, args: Any, control: Any) -> None:
            if self._is_due:
                self._is_due = False
                self._is_leaving = agreed(args, is_to_stop=self._pruner.is_pruned)
            control.should_training_stop |= self._is_leaving

    return Together()
