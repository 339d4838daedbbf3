"""Real scikit-learn and XGBoost trainings, looked up in tables of every configuration's score.

Six families of models on data sets that come with scikit-learn; `kernels` and `boosters` have
hyperparameters that depend on a choice. A space is a grid of a
few thousand configurations (exponents, sizes, choices), and `build_tables.py` trained every one of
them by cross-validation, so a look-up is a real training of exactly the configuration asked for,
and the best is known.
"""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from autofinetune.space import Space, Value, load_space

from .task import Params, Scale

FAMILY = "sklearn"
TABLES = Path(__file__).parent / "tables"


def integer(name: str, low: int, high: int, init: int) -> dict[str, Any]:
    return {
        "name": name,
        "type": "int",
        "init_value": init,
        "greater_than": low,
        "lower_than": high,
    }


def choice(name: str, *choices: str | bool | None) -> dict[str, Any]:
    return {"name": name, "type": "choice", "choices": list(choices), "init_value": choices[0]}


_CURVED = {"only_if": {"kernel": ["rbf", "poly", "sigmoid"]}}
_TREES = {"only_if": {"booster": ["gbtree", "dart"]}}
MODELS: dict[str, list[dict[str, Any]]] = {
    "svc": [
        integer("log2_C", -5, 15, 0),
        integer("log2_gamma", -17, 3, -6),
        choice("kernel", "rbf", "poly", "sigmoid"),
        choice("class_weight", None, "balanced"),
    ],
    "boosting": [
        integer("log2_learning_rate", -9, 0, -3),
        integer("log2_max_leaf_nodes", 1, 6, 5),
        integer("log2_min_samples_leaf", 0, 6, 4),
        integer("log10_l2", -2, 2, -2),
    ],
    "mlp": [
        integer("layers", 1, 3, 1),
        integer("log2_width", 2, 6, 5),
        integer("half_log10_learning_rate", -10, 0, -6),
        integer("log10_alpha", -6, 0, -4),
        choice("activation", "relu", "tanh"),
    ],
    "sgd": [
        choice("loss", "hinge", "log_loss", "modified_huber", "squared_error"),
        choice("penalty", "l2", "l1", "elasticnet"),
        integer("log10_alpha", -7, 0, -4),
        choice("learning_rate", "optimal", "constant", "invscaling", "adaptive"),
        integer("half_log10_eta0", -6, 0, -4),
    ],
    "kernels": [
        choice("kernel", "linear", "rbf", "poly", "sigmoid"),
        integer("log2_C", -5, 10, 0),
        integer("log2_gamma", -15, 3, -6) | _CURVED,
        integer("degree", 2, 5, 3) | {"only_if": {"kernel": "poly"}},
    ],
    "boosters": [
        choice("booster", "gbtree", "gblinear", "dart"),
        integer("log2_rounds", 2, 5, 3),
        integer("log10_lambda", -2, 2, 0),
        integer("log2_eta", -5, 0, -2) | _TREES,
        integer("depth", 1, 5, 4) | _TREES,
        integer("tenths_dropped", 1, 3, 1) | {"only_if": {"booster": "dart"}},
    ],
}
DATA_SETS = {
    "svc": ("digits", "breast_cancer", "wine"),
    "boosting": ("breast_cancer", "diabetes", "wine"),
    "mlp": ("digits", "breast_cancer", "wine"),
    "sgd": ("digits", "breast_cancer", "wine"),
    "kernels": ("breast_cancer", "digits", "wine"),
    "boosters": ("diabetes", "breast_cancer", "wine"),
}


def names() -> list[str]:
    """Every task of which there is a table."""
    every = [f"{model}-{data}" for model, sets in DATA_SETS.items() for data in sets]
    return [f"{FAMILY}/{name}" for name in every if (TABLES / f"{name}.json").exists()]


@functools.cache
def space(model: str) -> Space:
    return load_space({"param_list": MODELS[model]})


@functools.cache
def table(instance: str) -> tuple[float, ...]:
    """Scores in the order of `configurations`."""
    return tuple(json.loads((TABLES / f"{instance}.json").read_text())["scores"])


def configurations(model: str) -> list[Params]:
    """All of them, the last parameter changing fastest."""
    return list(space(model).configurations())


@functools.cache
def _places(model: str) -> dict[tuple[Value, ...], int]:
    """The place of each configuration, by its key, in `configurations`."""
    return {space(model).key(one): place for place, one in enumerate(configurations(model))}


def evaluate(instance: str, params: Params) -> float:
    """The score of a configuration; values of inactive hyperparameters are ignored."""
    model = instance.partition("-")[0]
    whole = space(model)
    active = {p.name: params[p.name] for p in whole if whole.is_active(p, params)}
    return table(instance)[_places(model)[whole.key(active)]]


def scale(task: str) -> Scale:
    scores = table(task.partition("/")[2])
    assert all(map(math.isfinite, scores))
    return Scale(max(scores), float(np.median(scores)))
