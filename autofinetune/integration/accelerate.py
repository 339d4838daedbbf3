"""Hugging Face accelerate: what a script gives to `accelerator.log`."""

from __future__ import annotations

from autofinetune.trial import logged
from autofinetune.trial.hooks import wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

SOURCE = "accelerate"


def on_accelerator(module: ModuleType) -> None:
    """Listen to `Accelerator.log`; it goes on to trackers, which log the same once more."""
    wrap(module.Accelerator, "log", _logged)


def _logged(accelerator: Any, values: Any = None, *args: Any, **kwargs: Any) -> None:
    if accelerator.is_main_process and hasattr(values, "items"):
        logged.values(SOURCE, values.items())
    if accelerator.num_processes == 1:  # other processes would wait for the one that left
        logged.leave(SOURCE)
