"""Hugging Face accelerate: reports what a script passes to `accelerator.log`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from autofinetune.trial import logged
from autofinetune.trial.hooks import wrap

SOURCE = "accelerate"


def on_accelerator(module: ModuleType) -> None:
    """Hook into `Accelerator.log`; the trackers that it calls log the same values again."""
    wrap(module.Accelerator, "log", _logged)


def _logged(accelerator: Any, values: Any = None, *args: Any, **kwargs: Any) -> None:
    if accelerator.is_main_process and hasattr(values, "items"):
        logged.values(SOURCE, values.items())
    if accelerator.num_processes == 1:  # other processes would wait for one that exits
        logged.leave(SOURCE)
