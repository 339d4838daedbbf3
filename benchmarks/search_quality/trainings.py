"""Real scikit-learn trainings, looked up in tables of every configuration's score.

Four families of models, three data sets each that come with scikit-learn. A space is a grid of a
few thousand configurations (exponents, sizes, choices), and `build_tables.py` trained every one of
them by cross-validation, so a look-up is a real training of exactly the configuration asked for,
and the best is known.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from autofinetune.space import Space, load_space

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
}
DATA_SETS = {
    "svc": ("digits", "breast_cancer", "wine"),
    "boosting": ("breast_cancer", "diabetes", "wine"),
    "mlp": ("digits", "breast_cancer", "wine"),
    "sgd": ("digits", "breast_cancer", "wine"),
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
    parameters = list(space(model))
    names = [parameter.name for parameter in parameters]
    every = itertools.product(*(parameter.values() for parameter in parameters))
    return [dict(zip(names, values, strict=True)) for values in every]


def evaluate(instance: str, params: Params) -> float:
    parameters = list(space(instance.partition("-")[0]))
    index = 0
    for parameter in parameters:
        values = parameter.values()
        index = index * len(values) + values.index(params[parameter.name])
    return table(instance)[index]


def scale(task: str) -> Scale:
    scores = table(task.partition("/")[2])
    assert all(map(math.isfinite, scores))
    return Scale(max(scores), float(np.median(scores)))
