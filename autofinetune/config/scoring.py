"""The score of a trial whose train.py does not report it itself. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from autofinetune.config.option import SCORE, label, one_of, option, pattern
from autofinetune.core.status import Direction

NO_METRIC = "no_metric"  # the reason of a trial that exited with 0 and logged no value


@dataclass(frozen=True)
class Scoring:
    """How logged values become the score of a trial; see the help text of each field.

    An empty `metric` ignores what libraries log, an empty `metric_pattern` the output.
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
        "read the score from the output of train.py with this regular expression, which has one "
        "group, such as 'acc=([0-9.]+)'",
        pattern, "", unset="the output is not read",
    )  # fmt: skip

    @property
    def is_logged(self) -> bool:
        """Whether a logged value can be the score."""
        return bool(self.metric or self.metric_pattern)


@dataclass
class Values:
    """The values reported so far by one attempt.

    `finals` are its final reports in order, including non-finite ones; of the intermediate values
    only the last and the best are kept.
    """

    finals: list[float] = field(default_factory=list)
    last: float | None = None
    best: float | None = None

    def add(self, value: float, direction: Direction) -> None:
        """Add an intermediate value."""
        self.last = value
        if math.isfinite(value) and (
            self.best is None or direction.merit(value) > direction.merit(self.best)
        ):
            self.best = value

    def scores(self, scoring: Scoring, *, is_success: bool) -> list[float]:
        """Return the final reports or, if there are none, the logged value.

        Logged values count only if the attempt exited with 0: those of a crashed attempt must not
        become a score.
        """
        if self.finals or not (scoring.is_logged and is_success):
            return self.finals
        best = self.last if self.best is None else self.best
        value = best if scoring.final == "best" else self.last
        return [] if value is None else [value]
