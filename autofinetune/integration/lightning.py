"""Lightning: `Trainer(callbacks=[AutofinetuneCallback("val_acc")])`.

Names are those of `self.log`. The Trainer may be that of `pytorch_lightning`, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autofinetune.integration.callbacks import lazy

if TYPE_CHECKING:
    from autofinetune.integration.callbacks import Callback as AutofinetuneCallback

__all__ = ["AutofinetuneCallback"]
LEAST = "2.1"
__getattr__ = lazy(
    __name__,
    "callbacks.Callback",
    LEAST,
    "lightning.pytorch",
    "pytorch_lightning",
    extra="lightning",
)
