"""NNI's tuners, without its server: https://github.com/microsoft/nni, 3.0."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Mapping, Sequence
from typing import Any

from autofinetune.space import Space

from .method import Asked, Method


class Nni(Method):
    """`tuner`: tpe (constant liar is its default), random or evolution (32 members, the default).

    Evolution takes no seed, so its searches cannot be repeated to the digit. Only TPE can be told
    of the initial values, which it did not ask for.
    """

    def __init__(self, space: Space, trials: int, seed: int, tuner: str) -> None:
        self._tuner = _tuner(tuner, seed)
        self._tuner.update_search_space(
            {p["name"]: _entry(p) for p in (q.describe() for q in space)}
        )
        self._whole = {p.name for p in space if p.describe()["type"] == "int"}
        self._init: dict[str, Any] | None = dict(space.init_params)
        self._ids = itertools.count()

    def ask(self, n: int) -> Sequence[Asked]:
        asked = []
        if self._init is not None:
            asked.append(Asked(self._init, (None, self._init)))
            self._init = None
        ids = list(itertools.islice(self._ids, n - len(asked)))
        found = self._tuner.generate_multiple_parameters(ids, st_callback=lambda *_: None)
        for number, params in zip(ids, found, strict=True):
            asked.append(Asked(self._rounded(params), (number, params)))
        return asked

    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        for one, score in zip(asked, scores, strict=True):
            number, params = one.token
            if number is not None:
                self._tuner.receive_trial_result(number, params, score)
                self._tuner.trial_end(number, True)
            elif hasattr(self._tuner, "_history"):
                self._tuner.import_data([{"parameter": params, "value": score}])

    def _rounded(self, params: dict[str, Any]) -> dict[str, Any]:
        """Whole numbers as such: `quniform` gives floats."""
        return {name: round(v) if name in self._whole else v for name, v in params.items()}


def _tuner(name: str, seed: int) -> Any:
    from nni.algorithms.hpo.evolution_tuner import EvolutionTuner
    from nni.algorithms.hpo.random_tuner import RandomTuner
    from nni.algorithms.hpo.tpe_tuner import TpeTuner

    logging.getLogger("nni").setLevel(logging.ERROR)
    random.seed(seed)
    if name == "tpe":
        return TpeTuner(optimize_mode="maximize", seed=seed)
    if name == "random":
        return RandomTuner(seed=seed)
    return EvolutionTuner(optimize_mode="maximize")


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter as NNI's search spaces have it."""
    if entry["type"] == "choice":
        return {"_type": "choice", "_value": entry["choices"]}
    step = 1 if entry["type"] == "int" else entry.get("step")
    kind = ("q" if step else "") + ("loguniform" if entry.get("log") else "uniform")
    limits = [entry["greater_than"], entry["lower_than"]]
    return {"_type": kind, "_value": [*limits, step] if step else limits}
