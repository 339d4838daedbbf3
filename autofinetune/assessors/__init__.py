"""Assessors stop hopeless trials. A new one is a file in this folder and a line in `ASSESSORS`."""

from __future__ import annotations

from collections.abc import Mapping

from autofinetune.errors import Mistake, UsageError
from autofinetune.plugins import PlugIns

from .base import Assessor

# Named, not imported, so that numpy is loaded only where it is needed.
ASSESSORS = PlugIns("autofinetune.assessors", {
    "medianstop": "autofinetune.assessors.medianstop:Medianstop",
    "curvefitting": "autofinetune.assessors.curvefitting:Curvefitting",
    "asha": "autofinetune.assessors.halving:ASHA",
    "hyperband": "autofinetune.assessors.hyperband:Hyperband",
    "surrogate": "autofinetune.assessors.surrogate:Surrogate",
})  # fmt: skip
NO_ASSESSOR = "none"  # the name for stopping no trials
AUTO = "auto"  # the name for what suits the strategy: `surrogate` if it learns from reports


def assessor_class(name: str) -> type[Assessor]:
    """Return the class of the assessor called `name`, one of `ASSESSORS`."""
    cls: type[Assessor] = ASSESSORS.load(name)
    return cls


def create_assessor(
    name: str, direction: str, options: Mapping[str, object] | None = None
) -> Assessor | None:
    """Create the assessor called `name`, or return None for `none`; raises as `Assessor` does."""
    if name != NO_ASSESSOR:
        return assessor_class(name)(direction, options)
    if options:
        raise UsageError(
            Mistake("assessor_options", "are given without an assessor"),
            f"give --assessor too, one of: {', '.join(sorted(ASSESSORS))}",
        )
    return None


__all__ = ["ASSESSORS", "AUTO", "NO_ASSESSOR", "Assessor", "assessor_class", "create_assessor"]
