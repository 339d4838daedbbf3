"""Anneal: draws near good trials, and the nearer the more trials have finished.

For each parameter a finished trial is picked whose rank, 0 for the best, is geometric with mean 1;
a trial picked for an earlier parameter is reused if this parameter was active in it. After T
finished trials, a number is drawn uniformly from a window around the trial's value whose width is
the share

    w = 1 / (1 + T / 10)

of the range; the window is shifted to lie inside the range. A choice is kept with probability
1 - w and redrawn otherwise. The algorithm is that of `anneal` in hyperopt (Bergstra, Yamins and
Cox, 2013), in the unit cube.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from autofinetune.space import Parameter

from .base import Candidate
from .history import LIAR, LIAR_OPTIONS, History, choose_in_order
from .options import Option
from .turns import Turns

AVERAGE_RANK = 2.0  # of the picked trial, where 1 is the best
SHRINKING = 0.1


class Anneal(Turns):
    """Draws from a shrinking window around good trials; see the module docstring."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **LIAR_OPTIONS,
        "constant_liar_type": replace(LIAR, default="none"),
    }

    def _set_up(self) -> None:
        super()._set_up()
        self._history = History(self.space)

    def _learn(self, candidate: Candidate, merit: float) -> None:
        self._history.add(candidate, merit)

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        history = self._history.with_lies(self._unlearned, self.options)
        picked: list[int] = []

        def choose(place: int, parameter: Parameter) -> float:
            seen = history.of(place)
            if not len(seen.trials):
                return float(rng.random())
            kept = [trial for trial in picked if trial in seen.trials]
            if not kept:
                order = np.argsort(-seen.merits, kind="stable")
                rank = min(int(rng.geometric(1.0 / AVERAGE_RANK)), len(order)) - 1
                kept = [int(seen.trials[order[rank]])]
                picked.extend(kept)
            here = float(seen.coordinates[seen.trials == kept[0]][0])
            width = 1.0 / (1.0 + SHRINKING * len(seen.trials))
            if parameter.type_name == "choice":
                return here if rng.random() > width else float(rng.random())
            low = min(max(here - width / 2, 0.0), 1.0 - width)
            return low + width * float(rng.random())

        return self._untried(choose_in_order(self.space, choose), rng)
