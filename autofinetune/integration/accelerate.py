"""Hugging Face accelerate: what a script gives to `accelerator.log`."""

from __future__ import annotations

import functools

from autofinetune.trial import logged
from autofinetune.trial.hooks import quietly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

SOURCE = "accelerate"


def on_accelerator(module: ModuleType) -> None:
    """Listen to `Accelerator.log`; it goes on to trackers, which log the same once more."""
    original = module.Accelerator.log

    @functools.wraps(original)
    def log(accelerator: Any, *args: Any, **kwargs: Any) -> None:
        original(accelerator, *args, **kwargs)
        quietly(_logged, accelerator, *args, **kwargs)
        if accelerator.num_processes == 1:  # other processes would wait for the one that left
            logged.leave(SOURCE)

    module.Accelerator.log = log


def _logged(accelerator: Any, values: Any = None, *args: Any, **kwargs: Any) -> None:
    if accelerator.is_main_process and hasattr(values, "items"):
        logged.values(SOURCE, values.items())
