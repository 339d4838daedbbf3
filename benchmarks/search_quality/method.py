"""The seam of everything that is compared: ask for configurations, tell their scores."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .task import Params

PARALLEL = 5  # trials at a time: so many are asked before any of them is told


@dataclass(frozen=True)
class Asked:
    """A configuration to score; `token` is whatever the method wants to get back with it."""

    params: Params
    token: Any = None


class Method(ABC):
    """One search. Its random numbers come from the seed it was made with."""

    @abstractmethod
    def ask(self, n: int) -> Sequence[Asked]:
        """Up to `n` configurations; none of them when the search ended of itself."""

    @abstractmethod
    def tell(self, asked: Sequence[Asked], scores: Sequence[float]) -> None:
        """The scores of everything the last `ask` returned, larger is better; NaN: it failed."""


def filled(scores: Sequence[float], known: list[float]) -> list[float]:
    """The scores, with the worst score ever in place of NaN; `known` gathers them.

    For methods that need a value for a failed trial; 0 as long as nothing has succeeded.
    """
    known += [score for score in scores if not math.isnan(score)]
    worst = min(known, default=0.0)
    return [worst if math.isnan(score) else score for score in scores]
