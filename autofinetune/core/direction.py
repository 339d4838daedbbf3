"""Which scores are better."""

from __future__ import annotations

from enum import Enum


class Direction(str, Enum):
    """Which scores are better. Only `merit` changes the sign of a score."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    def merit(self, score: float) -> float:
        """Return the score as it is compared internally: higher is better."""
        return score if self is Direction.MAXIMIZE else -score
