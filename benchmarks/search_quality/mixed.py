"""Made-up tasks with choices and conditions, to tune on.

`kernels` and `boosters` have spaces like those of support vector machines and gradient boosting in
YAHPO Gym, with other surfaces; `architecture` has choices only, which work together in pairs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autofinetune.space import Space, load_space

from .task import Params

FAMILY = "mixed"
INSTANCES = (1, 2)
_OPTIONS = "abcde"
_CELLS, _PAIRS = 20, 15


def _range(name: str, low: float, high: float, init: float, log: bool = True) -> dict[str, Any]:
    kind = "int" if isinstance(init, int) else "float"
    ends = {"greater_than": low, "lower_than": high, "init_value": init}
    return {"name": name, "type": kind, **ends, **({"log": True} if log else {})}


def _choice(name: str, *choices: str) -> dict[str, Any]:
    return {"name": name, "type": "choice", "choices": [*choices], "init_value": choices[0]}


_TREES = {"only_if": {"booster": ["gbtree", "dart"]}}
_DART = {"only_if": {"booster": "dart"}}
SPACES: dict[str, list[dict[str, Any]]] = {
    "kernels": [
        _choice("kernel", "linear", "radial", "polynomial"),
        _range("cost", 1e-4, 1e4, 1.0),
        _range("gamma", 1e-4, 1e4, 1.0) | {"only_if": {"kernel": ["radial", "polynomial"]}},
        _range("degree", 2, 5, 3, log=False) | {"only_if": {"kernel": "polynomial"}},
        _range("tolerance", 1e-5, 1.0, 1e-3),
        _choice("shrinking", "yes", "no"),
    ],
    "boosters": [
        _choice("booster", "gbtree", "gblinear", "dart"),
        _range("rounds", 3, 2000, 100),
        _range("lambda", 1e-3, 1e3, 1.0),
        _range("alpha", 1e-3, 1e3, 1.0),
        _range("subsample", 0.1, 1.0, 1.0, log=False),
        _range("eta", 1e-4, 1.0, 0.3) | _TREES,
        _range("gamma", 1e-4, 7.0, 0.01) | _TREES,
        _range("depth", 1, 15, 6, log=False) | _TREES,
        _range("weight", 1.0, 150.0, 1.0) | _TREES,
        _range("columns", 0.01, 1.0, 1.0, log=False) | _TREES,
        _range("drop", 0.0, 1.0, 0.1, log=False) | _DART,
        _range("skip", 0.0, 1.0, 0.1, log=False) | _DART,
    ],
    "architecture": [_choice(f"cell{number}", *_OPTIONS) for number in range(_CELLS)],
}


def names() -> list[str]:
    return [f"{FAMILY}/{name}-{instance}" for name in SPACES for instance in INSTANCES]


@functools.cache
def space(instance: str) -> Space:
    """That of an instance such as `kernels-1`."""
    return load_space({"param_list": SPACES[instance.partition("-")[0]]})


@functools.cache
def score(instance: str) -> Callable[[Params], float]:
    """What an instance such as `kernels-1` gives for a configuration; higher is better."""
    name, _, number = instance.partition("-")
    rng = np.random.default_rng([len(name), int(number)])
    made = {"kernels": _kernels, "boosters": _boosters, "architecture": _architecture}
    return made[name](rng)


def _kernels(rng: np.random.Generator) -> Callable[[Params], float]:
    kernels = ("linear", "radial", "polynomial")
    bias = dict(zip(kernels, rng.permutation([0.0, 0.15, 0.35]), strict=True))
    best, weight = rng.uniform(0.15, 0.85, 3), rng.uniform(0.5, 2.0, 3)
    tilt, whole = rng.uniform(-0.5, 0.5), int(rng.integers(2, 6))

    def evaluate(params: Params) -> float:
        p, at = params, functools.partial(_position, params, space("kernels-1"))
        loss = bias[str(p["kernel"])] + weight[0] * (at("cost") - best[0]) ** 2
        if "gamma" in p:
            valley = at("gamma") - best[1] + tilt * (at("cost") - 0.5)
            loss += 2.0 * weight[1] * valley**2
        if "degree" in p:
            loss += 0.03 * abs(float(str(p["degree"])) - whole)
        loss += 0.2 * weight[2] * max(0.0, at("tolerance") - best[2]) ** 2
        return -math.sqrt(loss + 0.02 * (p["shrinking"] == "yes"))

    return evaluate


def _boosters(rng: np.random.Generator) -> Callable[[Params], float]:
    bias = dict(zip(("gbtree", "gblinear", "dart"), rng.permutation([0, 0.05, 0.3]), strict=True))
    names = [str(entry["name"]) for entry in SPACES["boosters"][1:]]
    best = dict(zip(names, rng.uniform(0.2, 0.9, len(names)), strict=True))
    weight = dict(zip(names, 0.1 * np.exp(rng.normal(0.0, 1.0, len(names))), strict=True))
    pace = rng.uniform(0.7, 1.5)

    def evaluate(params: Params) -> float:
        at = functools.partial(_position, params, space("boosters-1"))
        loss = 0.02 + bias[str(params["booster"])]
        for name in params:
            if name not in ("booster", "eta", "rounds"):
                loss += weight[name] * (at(name) - best[name]) ** 2
        if "eta" in params:  # the slower it learns, the more rounds it needs
            loss += 1.5 * (at("eta") + at("rounds") - pace) ** 2
        else:
            loss += weight["rounds"] * (at("rounds") - best["rounds"]) ** 2
        return -math.log(loss)

    return evaluate


def _architecture(rng: np.random.Generator) -> Callable[[Params], float]:
    scale = np.exp(rng.normal(0.0, 0.7, _CELLS))
    alone = rng.standard_normal((_CELLS, len(_OPTIONS))) * scale[:, None]
    pairs = [rng.choice(_CELLS, 2, replace=False) for _ in range(_PAIRS)]
    together = 0.7 * rng.standard_normal((_PAIRS, len(_OPTIONS), len(_OPTIONS)))

    def evaluate(params: Params) -> float:
        chosen = np.array([_OPTIONS.index(str(value)) for value in params.values()])
        found = alone[np.arange(_CELLS), chosen].sum()
        for (first, second), values in zip(pairs, together, strict=True):
            found += values[chosen[first], chosen[second]]
        return float(found)

    return evaluate


def _position(params: Params, whole: Space, name: str) -> float:
    """Where a value lies in its range, 0 to 1, on the parameter's own scale."""
    return next(p for p in whole if p.name == name).encode(params[name])
