"""The base of evaluators, which choose whose saved model a trial continues."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Set

from autofinetune.config.config import Config
from autofinetune.core.state import State
from autofinetune.strategies.base import Candidate


class Evaluator(ABC):
    """Chooses the parent of a candidate."""

    continues_models = False
    """Whether later rounds continue saved models, so that train.py needs `--model_path`."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @abstractmethod
    def parent(self, candidate: Candidate, state: State) -> int | None:
        """Return the id of the trial whose model a new candidate continues, or None."""

    def possible_parents(self, state: State) -> Set[int]:
        """Return ended trials that include every one that a later candidate may continue."""
        return frozenset()
