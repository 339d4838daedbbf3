"""Which scores are better, and how far a trial is; `--help` loads this, so nothing heavy."""

from __future__ import annotations

from enum import Enum


class Direction(str, Enum):
    """Which scores are better. Only `merit` changes the sign of a score."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    def merit(self, score: float) -> float:
        """Return the score as it is compared internally: higher is better."""
        return score if self is Direction.MAXIMIZE else -score


class Status(str, Enum):
    """The status of a trial."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"

    @property
    def is_final(self) -> bool:
        return self in (Status.COMPLETED, Status.FAILED, Status.STOPPED)
