"""HEBO's process and acquisition by the package `leanhebo`, at its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autofinetune.space import Parameter, Space

from .method import Asked, Method


class LeanHebo(Method):
    """The initial values are its first observation; it drops failed trials.

    Choices are given by their places, since True and 1 are no two categories there.
    """

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        import leanhebo
        import torch
        from leanhebo.space import Space as Domain

        torch.set_num_threads(1)
        runtime = leanhebo.RuntimeConfig(seed=seed)
        self._entries: dict[str, dict[str, Any]] = {p.name: {**p.describe()} for p in space}
        domain = Domain(*map(_parameter, space))
        self._search: Any = leanhebo.LeanHEBO(
            domain, config=leanhebo.LeanHEBOConfig(runtime=runtime)
        )
        self._space = space
        self._is_first = True

    def ask(self, n: int) -> Sequence[Asked]:
        given = [Asked(self._space.init_params)] if self._is_first else []
        self._is_first = False
        self._batch = self._search.suggest(n - len(given))
        rows = self._batch.to_records()
        return given + [
            Asked({name: self._value(name, row[name]) for name in row}) for row in rows
        ]

    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        losses = -np.array(scores)
        given = len(asked) - len(self._batch.to_records())
        if given:
            row = {name: self._place(name, value) for name, value in asked[0].params.items()}
            self._search.observe([row], losses[:1])
        self._search.observe(self._batch, losses[given:])

    def _value(self, name: str, found: Any) -> Any:
        entry = self._entries[name]
        if entry["type"] == "choice":
            return entry["choices"][int(found)]
        return int(found) if entry["type"] == "int" else float(found)

    def _place(self, name: str, value: Any) -> Any:
        entry = self._entries[name]
        return entry["choices"].index(value) if entry["type"] == "choice" else value


def _parameter(parameter: Parameter) -> Any:
    from leanhebo.space import Categorical, Float, In, Integer

    entry: dict[str, Any] = {**parameter.describe()}
    name, more = entry["name"], {}
    if parameter.condition:
        more["active_when"] = In(parameter.condition.parent, [*parameter.condition.indices])
    if entry["type"] == "choice":
        return Categorical(name, tuple(range(len(entry["choices"]))), **more)
    make = Integer if entry["type"] == "int" else Float
    more |= {key: entry[key] for key in ("log",) if key in entry}
    return make(name, entry["greater_than"], entry["lower_than"], **more)
