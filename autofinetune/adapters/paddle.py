"""PaddlePaddle's high-level API: adds a callback to every `paddle.Model.fit`.

Training metrics have the names in the progress bar, such as `acc`; those of the evaluation have
the prefix `eval_`, such as `eval_acc`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from autofinetune.trial.hooks import with_callback
from autofinetune.trial.reporter import Reporter


def on_model(module: ModuleType) -> None:
    """Wrap `fit`."""
    with_callback(module.Model, "fit", _callback)


def _callback() -> Any:
    base: Any = importlib.import_module("paddle.callbacks").Callback
    return type("Autofinetune", (Reports, base), {"reporter": Reporter("paddle")})()


class Reports:
    """Reports after each epoch and evaluation; to be combined with `paddle.callbacks.Callback`."""

    reporter: Reporter
    model: Any

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._look(logs, "")

    def on_eval_end(self, logs: Any = None) -> None:
        self._look(logs, "eval_")

    def on_train_end(self, logs: Any = None) -> None:
        self.reporter.end()

    def _look(self, logs: Any, prefix: str) -> None:
        self.reporter.values([(f"{prefix}{n}", v) for n, v in _numbers(logs)])
        if self.reporter.is_to_stop():
            self.model.stop_training = True


def _numbers(logs: Any) -> Iterator[tuple[str, Any]]:
    """Yield the metrics; a loss is a list with one element."""
    for name, value in dict(logs or {}).items():
        if name not in ("batch_size", "step", "steps"):
            yield name, value[0] if isinstance(value, list) and len(value) == 1 else value
