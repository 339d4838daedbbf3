"""Full-Trail: every trial is trained from scratch."""

from __future__ import annotations

from autofinetune.core.state import State
from autofinetune.strategies.base import Candidate

from .base import Evaluator


class FullTrail(Evaluator):
    """Evaluator in which no trial has a parent."""

    def parent(self, candidate: Candidate, state: State) -> int | None:
        return None
