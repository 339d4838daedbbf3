"""Which scores are better."""

from __future__ import annotations

from enum import Enum


class Direction(str, Enum):
    """What a better score is. `merit` is the one place where it is turned."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    def merit(self, score: float) -> float:
        """The score as everything inside compares it: higher is better."""
        return score if self is Direction.MAXIMIZE else -score
