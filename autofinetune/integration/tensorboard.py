"""Scalar writers: TensorBoard's SummaryWriter (torch, tensorboardX), VisualDL's LogWriter."""

from __future__ import annotations

from autofinetune.trial import logged
from autofinetune.trial.hooks import wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

SOURCE = "tensorboard"


def on_writer(module: ModuleType) -> None:
    """Hook into `add_scalar` and `add_scalars`."""
    _listen(module.SummaryWriter)


def on_log_writer(module: ModuleType) -> None:
    """Hook into VisualDL, which has the same methods."""
    _listen(module.LogWriter)


def _listen(owner: Any) -> None:
    wrap(owner, "add_scalar", _logged)
    wrap(owner, "add_scalars", _logged_all)


def _logged(writer: Any, tag: Any, *args: Any, **kwargs: Any) -> None:
    value = args[0] if args else kwargs.get("scalar_value", kwargs.get("value"))
    logged.values_or_leave(SOURCE, [(tag, value)])


def _logged_all(writer: Any, main_tag: Any, tag_scalar_dict: Any, *a: Any, **k: Any) -> None:
    scalars = tag_scalar_dict.items()
    logged.values_or_leave(SOURCE, [(f"{main_tag}/{tag}", value) for tag, value in scalars])
