"""Random: independent draws, each parameter from its own distribution.

A known configuration is redrawn; if that does not help, the next untried one is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from .base import Candidate
from .history import LIAR_OPTIONS
from .options import Option
from .turns import Turns


class RandomSearch(Turns):
    """Random search. The options it shares with TPE and anneal have no effect here."""

    OPTIONS: ClassVar[Mapping[str, Option]] = LIAR_OPTIONS

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        return self._fresh(lambda: rng.random(self.space.dim))

    def _learn(self, candidate: Candidate, merit: float) -> None:
        pass
