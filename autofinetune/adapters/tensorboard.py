"""Scalar writers: TensorBoard's SummaryWriter (torch, tensorboardX), VisualDL's LogWriter."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from autofinetune.trial import logged
from autofinetune.trial.hooks import wrap

SOURCE = "tensorboard"


def on_writer(module: ModuleType) -> None:
    """Hook into a SummaryWriter, or VisualDL's LogWriter, which has the same methods."""
    owner = getattr(module, "SummaryWriter", None) or module.LogWriter
    wrap(owner, "add_scalar", _logged)
    wrap(owner, "add_scalars", _logged_all)


def _logged(writer: Any, tag: Any, *args: Any, **kwargs: Any) -> None:
    value = args[0] if args else kwargs.get("scalar_value", kwargs.get("value"))
    logged.values_or_leave(SOURCE, [(tag, value)])


def _logged_all(writer: Any, main_tag: Any, tag_scalar_dict: Any, *a: Any, **k: Any) -> None:
    scalars = tag_scalar_dict.items()
    logged.values_or_leave(SOURCE, [(f"{main_tag}/{tag}", value) for tag, value in scalars])
