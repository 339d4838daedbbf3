"""Ray Tune: reads what a function gives to `tune.report`, which does nothing outside of Ray."""

from __future__ import annotations

from autofinetune.trial import logged
from autofinetune.trial.hooks import around, quietly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

SOURCE = "ray"


def on_report(module: ModuleType) -> None:
    """Hook into `ray.tune.report` or `ray.train.report`."""
    around(module, "report", _reported)


def _reported(report: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    if not logged.wanted():
        return report(*args, **kwargs)
    given = args[0] if args else kwargs.get("metrics")
    metrics = given if isinstance(given, dict) else kwargs  # by their names in Ray 1
    quietly(logged.values_or_leave, SOURCE, metrics.items())
    return None
