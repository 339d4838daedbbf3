"""XGBoost: adds a callback to `train` and `cv`, which its scikit-learn classes use too.

A metric has the name that XGBoost prints, such as `validation_0-logloss`; with a single data set,
`logloss` is enough.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from autofinetune.trial.hooks import with_callback
from autofinetune.trial.reporter import Reporter


def on_training(module: ModuleType) -> None:
    """Wrap the functions before the rest of the package imports them by name."""
    for name in ("train", "cv"):
        with_callback(module, name, _callback)


def _callback() -> Any:
    base: Any = importlib.import_module("xgboost.callback").TrainingCallback
    return type("Autofinetune", (Reports, base), {"reporter": Reporter("xgboost")})()


class Reports:
    """Reports after each iteration; to be combined with `xgboost.callback.TrainingCallback`."""

    reporter: Reporter

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        short = [f"{data}-{self.reporter.metric}" for data in evals_log]
        self.reporter.values(_last(evals_log), *(short if len(short) == 1 else ()))
        is_to_stop = self.reporter.is_to_stop()
        if is_to_stop and hasattr(model, "cvfolds") and model.attr("best_iteration") is None:
            model.set_attr(best_iteration=str(epoch))  # `cv` cuts its table there
        return is_to_stop

    def after_training(self, model: Any) -> Any:
        self.reporter.end()
        return model


def _last(evals_log: Any) -> Iterator[tuple[str, Any]]:
    for data, metrics in evals_log.items():
        for metric, values in metrics.items():
            value = values[-1]
            yield f"{data}-{metric}", value[0] if isinstance(value, tuple) else value
