"""Trains every configuration of the tables once.

    python -m benchmarks.search_quality tables

Some minutes for each table on one core. Scores are means over three folds, larger is better: the
accuracy of svc, kernels and sgd, minus the log loss of mlp, boosting and boosters, R^2 on
diabetes.
A training that fails or overflows scores like the worst of its table.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import warnings
from typing import Any

import numpy as np

from . import trainings
from .task import Params

_ROWS = 250  # of each data set at most, so that a table takes minutes
_FOLDS = 3


def make() -> None:
    """Build the tables that are missing."""
    trainings.TABLES.mkdir(exist_ok=True)
    for place in range(max(map(len, trainings.DATA_SETS.values()))):  # one of each family first
        for model, sets in trainings.DATA_SETS.items():
            data = sets[place]
            path = trainings.TABLES / f"{model}-{data}.json"
            if path.exists():
                continue
            scores = _scores(model, data)
            table = {
                "scikit-learn": importlib.metadata.version("scikit-learn"),
                **(
                    {"xgboost": importlib.metadata.version("xgboost")}
                    if model == "boosters"
                    else {}
                ),
                "scores": [float(f"{score:.5g}") for score in scores],
            }
            path.write_text(json.dumps(table, separators=(",", ":")) + "\n")
            print(f"{path.name}: best {max(scores):.5g}, median {np.median(scores):.5g}")


def _scores(model: str, data: str) -> list[float]:
    x, y, is_classes = _load(data)
    found = [_score(model, params, x, y, is_classes) for params in trainings.configurations(model)]
    worst = min(score for score in found if math.isfinite(score))
    return [score if math.isfinite(score) else worst for score in found]


def _load(data: str) -> tuple[Any, Any, bool]:
    from sklearn import datasets
    from sklearn.preprocessing import StandardScaler

    x, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(x))[:_ROWS]
    is_classes = data != "diabetes"
    return StandardScaler().fit_transform(x[rows]), y[rows], is_classes


def _score(model: str, params: Params, x: Any, y: Any, is_classes: bool) -> float:
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score

    folds = (StratifiedKFold if is_classes else KFold)(_FOLDS, shuffle=True, random_state=0)
    metric = (
        "accuracy"
        if model in ("svc", "kernels", "sgd")
        else "neg_log_loss"
        if is_classes
        else "r2"
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of trainings that did not converge, which is their score
        try:
            found = cross_val_score(
                _model(model, dict(params), is_classes), x, y, scoring=metric, cv=folds
            )
        except ValueError:  # weights that overflowed
            return math.nan
    return float(found.mean())


def _model(model: str, p: dict[str, Any], is_classes: bool) -> Any:
    if model == "svc":
        from sklearn.svm import SVC

        return SVC(
            C=2.0 ** p["log2_C"],
            gamma=2.0 ** p["log2_gamma"],
            kernel=p["kernel"],
            class_weight=p["class_weight"],
            max_iter=20_000,
        )
    if model == "kernels":
        from sklearn.svm import SVC

        return SVC(
            C=2.0 ** p["log2_C"],
            gamma=2.0 ** p.get("log2_gamma", 0),
            degree=p.get("degree", 3),
            kernel=p["kernel"],
            max_iter=20_000,
        )
    if model == "boosters":
        return _boosters(p, is_classes)
    if model == "boosting":
        from sklearn import ensemble

        name = "Classifier" if is_classes else "Regressor"
        return getattr(ensemble, f"HistGradientBoosting{name}")(
            learning_rate=2.0 ** p["log2_learning_rate"],
            max_leaf_nodes=2 ** p["log2_max_leaf_nodes"],
            min_samples_leaf=2 ** p["log2_min_samples_leaf"],
            l2_regularization=10.0 ** p["log10_l2"],
            max_iter=20,
            max_bins=31,
            random_state=0,
        )
    if model == "mlp":
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(
            hidden_layer_sizes=(2 ** p["log2_width"],) * p["layers"],
            learning_rate_init=10.0 ** (p["half_log10_learning_rate"] / 2),
            alpha=10.0 ** p["log10_alpha"],
            activation=p["activation"],
            batch_size=32,
            max_iter=8,
            random_state=0,
        )
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(
        loss=p["loss"],
        penalty=p["penalty"],
        alpha=10.0 ** (p["log10_alpha"]),
        learning_rate=p["learning_rate"],
        eta0=10.0 ** (p["half_log10_eta0"] / 2),
        max_iter=10,
        tol=None,
        random_state=0,
    )


def _boosters(p: dict[str, Any], is_classes: bool) -> Any:
    import xgboost

    given = {"booster": p["booster"], "reg_lambda": 10.0 ** p["log10_lambda"]}
    if p["booster"] != "gblinear":
        given |= {"learning_rate": 2.0 ** p["log2_eta"], "max_depth": p["depth"]}
    if p["booster"] == "dart":
        given["rate_drop"] = p["tenths_dropped"] / 10.0
    make = xgboost.XGBClassifier if is_classes else xgboost.XGBRegressor
    return make(
        n_estimators=2 ** p["log2_rounds"], random_state=0, n_jobs=1, tree_method="hist", **given
    )
