"""Gradient boosting by xgboost on half of scikit-learn's breast cancer data; a step is a tree.

The score is minus the log loss on the other half, which gets worse after a peak.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_quality.task import Params
from benchmarks.search_quality.trainings import integer

PARAMETERS = [
    integer("half_log2_learning_rate", -8, 0, -4),
    integer("depth", 1, 6, 6),
    integer("log2_subsample", -2, 0, 0),
    integer("log2_features", -2, 0, 0),
    integer("log2_min_child_weight", 0, 3, 0),
]
ALIKE = ()
LENGTH = 50
LIBRARIES = ("numpy", "scikit-learn", "xgboost")


def train(configurations: Sequence[Params], seed: int) -> NDArray[np.float64]:
    seeds = np.random.default_rng(seed).integers(2**31, size=len(configurations)).tolist()
    return np.array([_train(*each) for each in zip(configurations, seeds, strict=True)])


def _train(params: Params, seed: int) -> list[float]:
    import xgboost

    p: dict[str, Any] = dict(params)
    training, test = _data()
    settings = {
        "objective": "binary:logistic",
        "learning_rate": 2.0 ** (p["half_log2_learning_rate"] / 2),
        "max_depth": p["depth"],
        "subsample": 2.0 ** p["log2_subsample"],
        "colsample_bytree": 2.0 ** p["log2_features"],
        "min_child_weight": 2.0 ** p["log2_min_child_weight"],
        "seed": seed,
        "nthread": 1,
    }
    found: dict[str, Any] = {}
    xgboost.train(
        settings, training, LENGTH, [(test, "test")], evals_result=found, verbose_eval=False
    )
    return [-loss for loss in found["test"]["logloss"]]


@functools.cache
def _data() -> tuple[Any, ...]:
    import xgboost
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    cut = len(y) // 2
    training, test = order[:cut], order[cut:]
    return tuple(xgboost.DMatrix(x[rows], y[rows], nthread=1) for rows in (training, test))
