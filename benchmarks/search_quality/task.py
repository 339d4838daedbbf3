"""A task: a search space, what a configuration scores in it, and the scale of its regret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autofinetune.space import Space, Value

Params = Mapping[str, Value]


@dataclass(frozen=True)
class Scale:
    """Scores that make tasks comparable: regret is 0 at `best` and 1 at `median`.

    `best` is the best score known and `median` that of a random configuration. A method that finds
    better than `best` has a regret below zero.
    """

    best: float
    median: float


@dataclass(frozen=True)
class Task:
    """`evaluate` is deterministic, and larger is better. `name` is family/instance."""

    name: str
    space: Space
    evaluate: Callable[[Params], float]
    scale: Scale

    @property
    def family(self) -> str:
        return self.name.partition("/")[0]
