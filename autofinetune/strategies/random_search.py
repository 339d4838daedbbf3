"""Random: independent draws, each parameter from its own distribution.

A configuration that was drawn before is drawn again; when that does not help, the untried ones of
the finite space follow in order until they are used up.
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
    """Learns from nothing, so its options, which those of TPE are, change nothing."""

    OPTIONS: ClassVar[Mapping[str, Option]] = LIAR_OPTIONS

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        return self._fresh(lambda: rng.random(self.space.dim))

    def _learn(self, candidate: Candidate, merit: float) -> None:
        pass
