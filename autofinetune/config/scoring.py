"""Where the score of a trial comes from when train.py does not report it itself. Pure."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autofinetune.config.defaults import DEFAULTS
from autofinetune.core.state import Direction

FINAL = ("last", "best")
NO_METRIC = "no_metric"  # why a trial failed that ended well and logged no value
_MOST_CHARACTERS = 500


@dataclass(frozen=True)
class Scoring:
    """How logged values become the score of a trial.

    `metric` is the name under which a library that train.py uses logs the value (W&B, Lightning,
    Keras, ...), empty if none is looked for. `metric_pattern` is a regular expression with one
    group that finds the value in what train.py prints, empty if the output is not read. `final`
    says which of the values is the score: `last` or `best`.
    """

    metric: str = ""
    final: str = DEFAULTS["final"]
    metric_pattern: str = ""

    @property
    def is_logged(self) -> bool:
        """Whether a logged value can be the score."""
        return bool(self.metric or self.metric_pattern)

    def describe(self) -> dict[str, Any]:
        """Return the options that `read_scoring` reads back."""
        return dataclasses.asdict(self)


def read_scoring(options: Mapping[str, Any], mistake: Callable[[str], None]) -> Scoring:
    """Return the Scoring that options give by their long names; report each mistake."""
    metric = str(options.get("metric") or "")
    if len(metric) > _MOST_CHARACTERS or not metric.isprintable():
        mistake(
            f"--metric: must be a name of at most {_MOST_CHARACTERS} printable characters, "
            f"found {metric!r:.60}"
        )
        metric = ""
    final = str(options.get("final") or DEFAULTS["final"]).lower()
    if final not in FINAL:
        mistake(f"--final={options['final']} is unknown; use one of: {', '.join(FINAL)}")
        final = DEFAULTS["final"]
    pattern = str(options.get("metric_pattern") or "")
    why = _problem(pattern) if pattern else ""
    if why:
        mistake(f"--metric_pattern={pattern:.60}: {why}")
        pattern = ""
    return Scoring(metric, final, pattern)


def _problem(pattern: str) -> str:
    """Return why a pattern cannot be used, or nothing."""
    if len(pattern) > _MOST_CHARACTERS:
        return f"must have at most {_MOST_CHARACTERS} characters"
    try:
        groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as error:
        return f"is not a regular expression: {error}"
    if groups != 1:
        return (
            f"must have one group for the value, found {groups}; for instance "
            r"'acc=([0-9.]+)', with (?:...) around what is not the value"
        )
    return ""


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
