"""Hugging Face transformers: a callback for its Trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autofinetune.integration.transformers.callback import AutofinetuneCallback

__all__ = ["AutofinetuneCallback"]


def __getattr__(name: str) -> Any:
    """Import what needs the library on its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from autofinetune.integration.transformers import callback

    return getattr(callback, name)
