"""Writers of scalars: TensorBoard's SummaryWriter (torch, tensorboardX), VisualDL's LogWriter."""

from __future__ import annotations

import functools

from autofinetune.trial import logged
from autofinetune.trial.hooks import quietly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

SOURCE = "tensorboard"


def on_writer(module: ModuleType) -> None:
    """Listen to `add_scalar` and `add_scalars`."""
    _listen(module.SummaryWriter)


def on_log_writer(module: ModuleType) -> None:
    """Listen to VisualDL, which has the same calls."""
    _listen(module.LogWriter)


def _listen(owner: Any) -> None:
    add, add_all = owner.add_scalar, owner.add_scalars

    @functools.wraps(add)
    def add_scalar(writer: Any, tag: Any, *args: Any, **kwargs: Any) -> Any:
        result = add(writer, tag, *args, **kwargs)
        value = args[0] if args else kwargs.get("scalar_value", kwargs.get("value"))
        quietly(_logged, {tag: value})
        logged.leave(SOURCE)
        return result

    @functools.wraps(add_all)
    def add_scalars(writer: Any, main_tag: Any, tag_scalar_dict: Any, *a: Any, **k: Any) -> Any:
        result = add_all(writer, main_tag, tag_scalar_dict, *a, **k)
        quietly(_logged, {f"{main_tag}/{tag}": v for tag, v in tag_scalar_dict.items()})
        logged.leave(SOURCE)
        return result

    owner.add_scalar, owner.add_scalars = add_scalar, add_scalars


def _logged(scalars: dict[str, Any]) -> None:
    logged.values(SOURCE, scalars.items())
