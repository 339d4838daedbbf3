"""Batch: tries the listed configurations in order and then ends.

The list is that of `--enqueue`; without one, every configuration of a finite space is tried, such
as the values of a single choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import ClassVar

import numpy as np

from autofinetune.errors import UsageError
from autofinetune.space import Value

from .base import Candidate, Exhausted, Known
from .options import OPTIMIZE_MODE, Option
from .turns import Turns


class Batch(Turns):
    """Tries listed configurations; the initial values are not used."""

    OPTIONS: ClassVar[Mapping[str, Option]] = OPTIMIZE_MODE
    begins_with_init = False

    def enqueue(self, configurations: Sequence[Mapping[str, Value]]) -> None:
        """Set the list; raise UsageError if it is empty and the space is not finite."""
        super().enqueue(configurations)
        self._check_list()

    def remember(self, earlier: Sequence[Known]) -> None:
        """Do nothing: an earlier run adds no configurations to the list."""

    def _check_list(self) -> None:
        if not self.enqueued and self.space.size is None:
            ranges = [p.name for p in self.space if p.size is None]
            raise UsageError(
                "the strategy batch has no list of configurations, so every hyperparameter must "
                f"have finitely many values; these are continuous: {', '.join(ranges[:5])}",
                "give a list with --enqueue=FILE.csv, or a search space of a single choice",
            )

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        self._check_list()
        if self.enqueued:
            raise Exhausted
        listed = islice(self.space.configurations(), self._number - self._late, None)
        for params in listed:
            return self.space.encode(params)
        raise Exhausted

    def _learn(self, candidate: Candidate, merit: float) -> None:
        pass
