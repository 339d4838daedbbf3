"""Every method by name. A peer's package is imported only when the method is made.

Those of the table of strategies are this project's. Options follow the name, of a strategy of ours
(`hazero:surrogate=off,other=3`) or of a peer's class (`optuna-tpe:failures=fail`).
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autofinetune.space import Space
from autofinetune.strategies import STRATEGIES, Exhausted, create_strategy

from .method import PARALLEL, Asked, Method

OURS = tuple(sorted(set(STRATEGIES) - {"batch"}))  # which has nothing to go through here
# name: the module of the class, the class, the package it needs, arguments of the class
_OTHERS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "sobol": ("methods", "Sobol", "scipy", {}),
    "paddlehub-hazero": ("classic", "ClassicHAZero", "cma", {}),
    "paddlehub-pshe2": ("classic", "ClassicPSHE2", "numpy", {}),
    "cma": ("peers_cma", "PyCma", "cma", {}),
    "catcmawm": ("peers_cma", "CatCma", "cmaes", {}),
    "optuna-tpe": ("peers_optuna", "Optuna", "optuna", {"sampler": "tpe"}),
    "optuna-tpe-group": ("peers_optuna", "Optuna", "optuna", {"sampler": "tpe-group"}),
    "optuna-tpe-uni": ("peers_optuna", "Optuna", "optuna", {"sampler": "tpe-uni"}),
    "optuna-cmaes": ("peers_optuna", "Optuna", "optuna", {"sampler": "cmaes"}),
    "optuna-gp": ("peers_optuna", "Optuna", "torch", {"sampler": "gp"}),
    "nni-tpe": ("peers_nni", "Nni", "nni", {"tuner": "tpe"}),
    "nni-random": ("peers_nni", "Nni", "nni", {"tuner": "random"}),
    "nni-evolution": ("peers_nni", "Nni", "nni", {"tuner": "evolution"}),
    "leanhebo": ("peers_leanhebo", "LeanHebo", "leanhebo", {}),
    "smac3": ("peers_smac", "Smac", "smac", {}),
}
NAMES = (*OURS, *_OTHERS)


def base(name: str) -> str:
    """The name of a method without its options and label."""
    return name.partition("@")[0].partition(":")[0]


def is_ours(name: str) -> bool:
    return base(name) in OURS


def is_available(name: str) -> bool:
    """Whether the package the method needs is installed here."""
    return is_ours(name) or importlib.util.find_spec(_OTHERS[base(name)][2]) is not None


def make(name: str, space: Space, trials: int, seed: int) -> Method:
    """Begin a search; `trials` is how many there will be, for the few that want to know."""
    plain = name.partition("@")[0]
    plain, _, words = plain.partition(":")
    if is_ours(plain):
        return Ours(plain, space, seed, _options(words))
    module, cls, _, arguments = _OTHERS[plain]
    found = getattr(importlib.import_module(f"{__package__}.{module}"), cls)
    method: Method = found(space, trials, seed, **arguments, **_options(words))
    return method


def _options(words: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in words.split(",") if word)
    return {key: value for key, _, value in pairs}


class Ours(Method):
    """A strategy of this project through its public interface."""

    def __init__(self, strategy: str, space: Space, seed: int, options: dict[str, str]) -> None:
        given: dict[str, Any] = {"options": options} if options else {}
        self._strategy = create_strategy(strategy, space, popsize=PARALLEL, seed=seed, **given)

    def ask(self, n: int) -> Sequence[Asked]:
        try:
            return [Asked(candidate.params, candidate) for candidate in self._strategy.ask(n)]
        except Exhausted:
            return []

    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        for one, score in zip(asked, scores, strict=True):
            self._strategy.tell(one.token, None if math.isnan(score) else score)


class Sobol(Method):
    """A scrambled Sobol sequence, the initial values first; results are ignored."""

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        from scipy.stats import qmc

        # The generator's argument has another name before scipy 1.15.
        named = "rng" if "rng" in inspect.signature(qmc.Sobol).parameters else "seed"
        make_sobol = functools.partial(qmc.Sobol, space.dim, scramble=True, bits=30)
        sobol: Any = make_sobol(**{named: np.random.default_rng(seed)})
        self._space = space
        self._rest: list[list[float]] = sobol.random_base2(math.ceil(math.log2(trials))).tolist()
        self._rest[0] = list(space.init_point)

    def ask(self, n: int) -> Sequence[Asked]:
        points, self._rest = self._rest[:n], self._rest[n:]
        return [Asked(self._space.decode(point)) for point in points]

    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        return
