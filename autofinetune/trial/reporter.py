"""What the callback of a library reports to: the metric of the run, or one that a script names."""

from __future__ import annotations

import os

from autofinetune.trial import logged
from autofinetune.trial.hooks import complain
from autofinetune.trial.report import REPORT_FILE_VARIABLE, report_final_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

DIRECTION_VARIABLE = "AUTOFINETUNE_DIRECTION"
LAST, BEST = FINALS = ("last", "best")


class Reporter:
    """Reports the metric of the run (`--metric`) among the values that one library logs."""

    def __init__(self, source: str) -> None:
        self._source = source

    @property
    def metric(self) -> str:
        """The name of the metric; empty if there is nothing to report."""
        return logged.wanted()

    def values(self, values: Iterable[tuple[str, Any]], *also: str) -> bool:
        """Report the metric if it is among `values`; return whether it was."""
        return logged.values(self._source, values, *also)

    def is_to_stop(self) -> bool:
        """Whether the library is to end its training."""
        return logged.is_to_stop(self._source)

    def end(self) -> None:
        """Called when training has ended well; the tuner makes the score of the run's metric."""


class NamedReporter(Reporter):
    """Reports a metric that the script names, and its last or best value as the final result.

    The adapters leave the same metric to it. If `--metric` names another one, that counts, and
    this reporter does nothing.
    """

    def __init__(self, metric: str, final: str = LAST) -> None:
        super().__init__(f"callback for {metric}")
        self._metric = metric
        self._is_best = final == BEST
        self._value: float | None = None
        self._is_reported = True
        self._others: set[str] = set()
        if self.metric:
            logged.claim(self._source)
        else:
            complain(f"--metric={logged.wanted()} replaces AutofinetuneCallback({metric!r})")

    @property
    def metric(self) -> str:
        return self._metric if logged.wanted() in ("", self._metric) else ""

    def values(self, values: Iterable[tuple[str, Any]], *also: str) -> bool:
        is_found = False
        for name, number in values if self.metric else ():
            if name == self.metric or name in also:
                self._add(logged.value(self._source, number))
                is_found = True
            else:
                self._others.add(str(name))
        return is_found

    def _add(self, value: float | None) -> None:
        if value is None:
            return
        self._is_reported = False
        if self._is_best and self._value is not None and not _is_better(value, self._value):
            return
        self._value = value

    def is_to_stop(self) -> bool:
        return bool(self.metric) and super().is_to_stop()

    def end(self) -> None:
        """Report the final result, unless it is reported already."""
        if self._value is None and self.metric and self._others:
            names = ", ".join(sorted(self._others)[:20])
            complain(
                f"AutofinetuneCallback({self.metric!r}) has not found it; logged so far: {names}"
            )
        is_trial = bool(os.environ.get(REPORT_FILE_VARIABLE))
        if is_trial and self._value is not None and not self._is_reported:
            report_final_result(self._value)
        self._is_reported = True


def _is_better(value: float, other: float) -> bool:
    """Compare by the direction of the run; a finite value is better than one that is not."""
    if value - value != 0.0:
        return False
    if other - other != 0.0:
        return True
    is_less = value < other
    return is_less if os.environ.get(DIRECTION_VARIABLE) == "minimize" else value > other
