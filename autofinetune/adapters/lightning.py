"""Lightning, under both package names: adds a callback to every Trainer."""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import Any

from autofinetune.trial import logged
from autofinetune.trial.hooks import complain, wrap
from autofinetune.trial.reporter import Reporter


def on_trainer(module: ModuleType) -> None:
    """Add the callback to each Trainer, after those of the script."""
    package = module.__name__.partition(".trainer")[0]
    wrap(module.Trainer, "__init__", lambda trainer, *a, **k: _add(trainer, package))


def _add(trainer: Any, package: str) -> None:
    if not logged.wanted():
        return
    if trainer.world_size == 1 and int(os.environ.get("WORLD_SIZE") or 1) > 1:
        complain(
            "this Trainer uses only one of the trial's processes, so each trains separately; set "
            "devices and strategy, such as Trainer(devices=2, strategy='ddp')"
        )
    base = importlib.import_module(f"{package}.callbacks").Callback
    kind: Any = type("Autofinetune", (Reports, base), {"reporter": Reporter("lightning")})
    trainer.callbacks.append(kind())


class Reports:
    """Reports the metric where it first appears: after validation, or after the epoch.

    To be combined with the class of callbacks. Rank 0 reports, and all ranks stop together.
    """

    reporter: Reporter
    place = ""

    def _look(self, place: str, trainer: Any) -> None:
        if trainer.is_global_zero and self.place in ("", place):
            metrics = dict(trainer.callback_metrics)
            if self.reporter.values(metrics.items()):
                self.place = place
        if place != "test" and trainer.strategy.reduce_boolean_decision(
            self.reporter.is_to_stop(), all=False
        ):
            trainer.should_stop = True

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._look("validation", trainer)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._look("train", trainer)

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        self._look("test", trainer)

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        if trainer.world_size == 1 and self.reporter.is_to_stop():
            trainer.should_stop = True

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if trainer.is_global_zero:
            self.reporter.end()
