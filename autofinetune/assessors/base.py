"""The interface of assessors, which stop hopeless trials by their recorded reports alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from autofinetune.core.curves import Curve, Curves
from autofinetune.core.judgement import Judge
from autofinetune.errors import Mistake, UsageError
from autofinetune.options import Option, read_options

OPTIMIZE_MODE: Mapping[str, Option] = {
    "optimize_mode": Option(
        "", "same as --direction; may be left out", words=("maximize", "minimize")
    )
}


class Assessor(ABC):
    """Judges a running trial after each of its reports. It has no state besides the curves.

    Args:
        direction: `maximize` or `minimize`, that of the run.
        options: values for some of `OPTIONS`, as text or numbers. `OPTIONS` must contain
            `OPTIMIZE_MODE`. UsageError if one is unknown or not allowed, or `optimize_mode` is
            not `direction`.
    """

    OPTIONS: ClassVar[Mapping[str, Option]] = OPTIMIZE_MODE
    asks_strategy: ClassVar[bool] = False
    """Whether it stops what the strategy judges hopeless, which then learns from reports."""

    def __init__(self, direction: str, options: Mapping[str, object] | None = None) -> None:
        self.direction = direction
        self.judge: Judge | None = None
        self.options: dict[str, Any] = read_options(
            type(self).__name__,
            self.OPTIONS,
            options or {},
            flag="assessor_options",
            command="assessors",
        )
        mode = self.options["optimize_mode"]
        if mode not in ("", direction):
            problem = f"optimize_mode={mode} contradicts --direction={direction}"
            tip = "leave optimize_mode out, or correct one of the two"
            raise UsageError(Mistake("assessor_options", problem), tip)

    def consult(self, judge: Judge) -> None:
        """Take whom to ask about trials; called once, before the first report."""
        self.judge = judge

    @abstractmethod
    def assess(self, curve: Curve, curves: Curves) -> str:
        """Return the reason to stop a trial after its last report, or an empty text.

        Args:
            curve: that of the trial, with at least one report; it is in `curves.running`.
            curves: those of all trials with which it may be compared.
        """
