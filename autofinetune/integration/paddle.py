"""PaddlePaddle's high-level API: a callback in every `paddle.Model.fit`.

Metrics of the evaluation are called as in its progress bar with `eval_` before them, `eval_acc`;
`acc` is that of the training.
"""

from __future__ import annotations

import functools
import importlib

from autofinetune.trial import logged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Any

SOURCE = "paddle"


def on_model(module: ModuleType) -> None:
    """Wrap `fit`."""
    original = module.Model.fit

    @functools.wraps(original)
    def fit(model: Any, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        if logged.wanted():
            base = importlib.import_module("paddle.callbacks").Callback
            given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
            given = [callback for callback in given if callback is not None]
            callbacks = [*given, _callback(base)]
        return original(model, *args, callbacks=callbacks, **kwargs)

    module.Model.fit = fit


def _callback(base: Any) -> Any:
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
    """Yield the metrics; a loss is a list of one."""
    for name, value in dict(logs or {}).items():
        if name not in ("batch_size", "step", "steps"):
            yield name, value[0] if isinstance(value, list) and len(value) == 1 else value
