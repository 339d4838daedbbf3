"""Keras 2 and 3 with any backend: adds a callback to every `fit`."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from autofinetune.trial.hooks import with_callback
from autofinetune.trial.reporter import Reporter

_BACKENDS = ("TorchTrainer", "TensorFlowTrainer", "JAXTrainer")


def on_backend(module: ModuleType) -> None:
    """Hook into Keras 3, where each backend has a class with `fit` that Model inherits from."""
    owner = next(getattr(module, name) for name in _BACKENDS if hasattr(module, name))
    _listen(owner, "keras.callbacks")


def on_engine(module: ModuleType) -> None:
    """Hook into Keras 2, standalone or inside TensorFlow."""
    package = module.__name__.partition(".engine")[0]
    _listen(module.Model, f"{package}.callbacks")


def _listen(owner: Any, callbacks_module: str) -> None:
    with_callback(owner, "fit", lambda: _callback(callbacks_module))


def _callback(callbacks_module: str) -> Any:
    base: Any = importlib.import_module(callbacks_module).Callback
    return type("Autofinetune", (Reports, base), {"reporter": Reporter("keras")})()


class Reports:
    """Reports after each epoch; to be combined with the library's class of callbacks."""

    reporter: Reporter
    model: Any

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.reporter.values(dict(logs or {}).items())
        if self.reporter.is_to_stop():
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        self.reporter.end()
