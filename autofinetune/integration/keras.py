"""Keras 2 and 3 with any backend: adds a callback to every `fit`."""

from __future__ import annotations

import importlib

from autofinetune.trial import logged
from autofinetune.trial.hooks import with_callback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

SOURCE = "keras"
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
    def added(callbacks: Any) -> Any:
        module = importlib.import_module(callbacks_module)
        if isinstance(callbacks, module.CallbackList):
            callbacks.append(_callback(module.Callback))
            return callbacks
        given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        return [*(one for one in given if one is not None), _callback(module.Callback)]

    owner.fit = with_callback(owner.fit, added)


def _callback(base: Any) -> Any:
    class Autofinetune(base):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logged.values(SOURCE, dict(logs or {}).items())
            if logged.is_to_stop(SOURCE):
                self.model.stop_training = True

    return Autofinetune()
