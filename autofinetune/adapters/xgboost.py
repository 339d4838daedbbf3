"""XGBoost: adds a callback to `train` and `cv`, which its scikit-learn classes use too.

A metric has the name that XGBoost prints, such as `validation_0-logloss`; with a single data set,
`logloss` is enough.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from autofinetune.trial import logged
from autofinetune.trial.hooks import with_callback

SOURCE = "xgboost"


def on_training(module: ModuleType) -> None:
    """Wrap the functions before the rest of the package imports them by name."""
    for name in ("train", "cv"):
        with_callback(module, name, _callback)


def _callback() -> Any:
    base: Any = importlib.import_module("xgboost.callback").TrainingCallback

    class Autofinetune(base):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            logged.values(SOURCE, _last(evals_log), *_short(evals_log))
            is_to_stop = logged.is_to_stop(SOURCE)
            if is_to_stop and hasattr(model, "cvfolds") and model.attr("best_iteration") is None:
                model.set_attr(best_iteration=str(epoch))  # `cv` cuts its table there
            return is_to_stop

    return Autofinetune()


def _last(evals_log: Any) -> Iterator[tuple[str, Any]]:
    for data, metrics in evals_log.items():
        for metric, values in metrics.items():
            value = values[-1]
            yield f"{data}-{metric}", value[0] if isinstance(value, tuple) else value


def _short(evals_log: Any) -> list[str]:
    return [f"{data}-{logged.wanted()}" for data in evals_log] if len(evals_log) == 1 else []
