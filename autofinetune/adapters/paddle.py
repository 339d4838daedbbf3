"""PaddlePaddle's high-level API: adds a callback to every `paddle.Model.fit`.

Training metrics have the names in the progress bar, such as `acc`; those of the evaluation have
the prefix `eval_`, such as `eval_acc`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from autofinetune.trial import logged
from autofinetune.trial.hooks import with_callback

SOURCE = "paddle"


def on_model(module: ModuleType) -> None:
    """Wrap `fit`."""
    with_callback(module.Model, "fit", _callback)


def _callback() -> Any:
    base: Any = importlib.import_module("paddle.callbacks").Callback

    class Autofinetune(base):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self._look(logs, "")

        def on_eval_end(self, logs: Any = None) -> None:
            self._look(logs, "eval_")

        def _look(self, logs: Any, prefix: str) -> None:
            logged.values(SOURCE, [(f"{prefix}{n}", v) for n, v in _numbers(logs)])
            if logged.is_to_stop(SOURCE):
                self.model.stop_training = True

    return Autofinetune()


def _numbers(logs: Any) -> Iterator[tuple[str, Any]]:
    """Yield the metrics; a loss is a list with one element."""
    for name, value in dict(logs or {}).items():
        if name not in ("batch_size", "step", "steps"):
            yield name, value[0] if isinstance(value, list) and len(value) == 1 else value
