"""Where the score of a trial comes from when train.py does not report it itself. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autofinetune.config.option import SCORE, label, one_of, option, pattern

if TYPE_CHECKING:
    from autofinetune.core.direction import Direction

NO_METRIC = "no_metric"  # why a trial failed that ended well and logged no value


@dataclass(frozen=True)
class Scoring:
    """How logged values become the score of a trial.

    `metric` is the name under which a library that train.py uses logs the value (W&B, Lightning,
    Keras, ...), empty if none is looked for. `metric_pattern` is a regular expression with one
    group that finds the value in what train.py prints, empty if the output is not read. `final`
    says which of the values is the score: `last` or `best`.
    """

    metric: str = option(
        "NAME", SCORE,
        "use the value that a library logs under this name (W&B, Lightning, transformers, Keras, "
        "XGBoost, LightGBM, TensorBoard, MLflow) as the score",
        label, "", unset="train.py reports it", is_basic=True,
    )  # fmt: skip
    final: str = option(
        "WHICH", SCORE, "which of the logged values is the score: last or best",
        one_of("last", "best"), "last",
    )  # fmt: skip
    metric_pattern: str = option(
        "REGEX", SCORE,
        "find the score in the output of train.py, as the one group of this regular expression, "
        "such as 'acc=([0-9.]+)'",
        pattern, "", unset="the output is not read",
    )  # fmt: skip

    @property
    def is_logged(self) -> bool:
        """Whether a logged value can be the score."""
        return bool(self.metric or self.metric_pattern)


@dataclass
class Values:
    """The values that one attempt has reported so far.

    `finals` are its final reports in order, non-finite ones included; of the intermediate ones
    only the last and the best are kept.
    """

    finals: list[float] = field(default_factory=list)
    last: float | None = None
    best: float | None = None

    def add(self, value: float, direction: Direction) -> None:
        """Take an intermediate value."""
        self.last = value
        if math.isfinite(value) and (
            self.best is None or direction.merit(value) > direction.merit(self.best)
        ):
            self.best = value

    def scores(self, scoring: Scoring, *, is_success: bool) -> list[float]:
        """Return the final reports, or the logged value that stands in for them.

        Only an attempt that ended with exit code 0 has such a value: a crash half-way must not
        become a score.
        """
        if self.finals or not (scoring.is_logged and is_success):
            return self.finals
        best = self.last if self.best is None else self.best
        value = best if scoring.final == "best" else self.last
        return [] if value is None else [value]
