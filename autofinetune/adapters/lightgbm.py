"""LightGBM: adds a callback to `train` and `cv`, which its scikit-learn classes use too.

A metric is named after data set and metric, `valid_0-multi_error`; with a single data set,
`multi_error` is enough.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from autofinetune.trial.hooks import around, quietly, with_callback
from autofinetune.trial.reporter import Reporter

_ORDER = 25  # after `record_evaluation` (20), before `early_stopping` (30), which may end training
_in_training: list[Reports] = []


def on_engine(module: ModuleType) -> None:
    """Wrap the functions before the rest of the package imports them by name."""
    for name in ("train", "cv"):
        with_callback(module, name, _Hook)
        around(module, name, _train)


def _train(original: Any, *args: Any, **kwargs: Any) -> Any:
    """Train, then end the callbacks: LightGBM does not call them when another one stops it."""
    _in_training.clear()  # left by a training that failed
    result = original(*args, **kwargs)
    for one in _in_training:
        quietly(one.reporter.end)
    return result


class Reports:
    """Reports after each iteration; LightGBM has no class of callbacks to inherit from."""

    reporter: Reporter
    before_iteration = False

    def __init__(self) -> None:
        super().__init__()
        self.order = _ORDER  # LightGBM looks at the attributes of the object, not of its class

    def __call__(self, env: Any) -> None:
        if self not in _in_training:
            _in_training.append(self)
        results = env.evaluation_result_list or ()
        found = {f"{data}-{metric}": value for data, metric, value, *_ in results}
        one = {data for data, *_ in results}
        also = [f"{data}-{self.reporter.metric}" for data in one] if len(one) == 1 else []
        self.reporter.values(found.items(), *also)
        is_to_stop = self.reporter.is_to_stop()
        if is_to_stop or env.iteration + 1 == env.end_iteration:
            self.reporter.end()
        if is_to_stop:
            stop = importlib.import_module("lightgbm.callback").EarlyStopException
            raise stop(env.iteration, env.evaluation_result_list)


class _Hook(Reports):
    reporter = Reporter("lightgbm")
