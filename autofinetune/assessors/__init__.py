"""What stops hopeless trials. A new one is a file in this folder and a line in `ASSESSORS`."""

from __future__ import annotations

from collections.abc import Mapping

from autofinetune.errors import Mistake, UsageError
from autofinetune.plugins import PlugIns

from .base import Assessor

# Named, not imported: numpy is loaded only where it is needed.
ASSESSORS = PlugIns("autofinetune.assessors", {
    "medianstop": "autofinetune.assessors.medianstop:Medianstop",
    "curvefitting": "autofinetune.assessors.curvefitting:Curvefitting",
    "asha": "autofinetune.assessors.halving:ASHA",
    "hyperband": "autofinetune.assessors.hyperband:Hyperband",
})  # fmt: skip
NO_ASSESSOR = "none"  # the name that stops nothing


def assessor_class(name: str) -> type[Assessor]:
    """Return the class of the assessor called `name`, one of `ASSESSORS`."""
    cls: type[Assessor] = ASSESSORS.load(name)
    return cls


def create_assessor(
    name: str, direction: str, options: Mapping[str, object] | None = None
) -> Assessor | None:
    """Make the assessor called `name`, None for the one that stops nothing.

    Args:
        direction: `maximize` or `minimize`.
        options: as text or numbers.

    Raises:
        UsageError: it has no such option, or the value is not allowed.
    """
    if name != NO_ASSESSOR:
        return assessor_class(name)(direction, options)
    if options:
        raise UsageError(
            Mistake("assessor_options", "are given, and no assessor to take them"),
            f"give --assessor too, one of: {', '.join(sorted(ASSESSORS))}",
        )
    return None


__all__ = ["ASSESSORS", "NO_ASSESSOR", "Assessor", "assessor_class", "create_assessor"]
