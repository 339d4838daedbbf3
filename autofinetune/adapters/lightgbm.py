"""LightGBM: adds a callback to `train` and `cv`, which its scikit-learn classes use too.

A metric is named after data set and metric, `valid_0-multi_error`; with a single data set,
`multi_error` is enough.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from autofinetune.trial import logged
from autofinetune.trial.hooks import with_callback

SOURCE = "lightgbm"
_AFTER_OTHERS = 40  # the order of LightGBM's own callbacks is 10 to 30


def on_engine(module: ModuleType) -> None:
    """Wrap the functions before the rest of the package imports them by name."""
    for name in ("train", "cv"):
        with_callback(module, name, _Report)


class _Report:
    order = _AFTER_OTHERS
    before_iteration = False

    def __call__(self, env: Any) -> None:
        results = env.evaluation_result_list or ()
        found = {f"{data}-{metric}": value for data, metric, value, *_ in results}
        one = {data for data, *_ in results}
        also = [f"{data}-{logged.wanted()}" for data in one] if len(one) == 1 else []
        logged.values(SOURCE, found.items(), *also)
        if logged.is_to_stop(SOURCE):
            stop = importlib.import_module("lightgbm.callback").EarlyStopException
            raise stop(env.iteration, env.evaluation_result_list)
