"""Hyperband: successive halving in several brackets; the first stops early, the last late.

Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 2018: of
S + 1 brackets, S = floor(log_eta(max_steps / min_steps)), bracket s has its first rung at
max_steps * eta^-s and gets ceil((S + 1) / (s + 1) * eta^s) trials in turn, from s = S down to 0.
Brackets need not fill up: within each one, trials are judged as by ASHA.

If `s` is given, there is one bracket of that many rungs, at floor(max_steps / eta^k) for
k = s, ..., 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

from autofinetune.core.curves import Curves
from autofinetune.options import Option

from .base import OPTIMIZE_MODE
from .halving import ASHA, ETA, MAX_STEPS, MIN_STEPS, geometric


class Hyperband(ASHA):
    """Asynchronous Hyperband: trials go to brackets of successive halving in turn."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "min_steps": Option(1, "steps up to the very first rung", 1, 10**9, also=MIN_STEPS),
        "max_steps": Option(81, "steps of a full training", 1, 10**9, also=MAX_STEPS),
        "eta": Option(3.0, "the best 1/eta of the trials pass a rung", 1.1, 1e6, also=ETA),
        "s": Option(0, "rungs of the only bracket; 0: all brackets in turn", 0, 100),
    }

    def __init__(self, direction: str, options: Mapping[str, object] | None = None) -> None:
        super().__init__(direction, options)
        eta, longest = self.options["eta"], self.options["max_steps"]
        ratio = max(1.0, longest / self.options["min_steps"])
        last = math.floor(math.log(ratio) / math.log(eta) + 1e-9)
        self._turns = [
            s
            for s in range(last, -1, -1)
            for _ in range(min(1000, math.ceil((last + 1) / (s + 1) * eta**s)))
        ]

    def bracket(self, trial: int) -> int:
        """Return how many rungs the bracket of this trial has, which identifies it."""
        s: int = self.options["s"]
        return s or self._turns[trial % len(self._turns)]

    def rungs(self, trial: int, curves: Curves) -> Iterator[int]:
        s, eta, longest = self.bracket(trial), self.options["eta"], self.options["max_steps"]
        return geometric(longest / eta**s, eta, longest)
