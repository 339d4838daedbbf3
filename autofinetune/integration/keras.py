"""Keras 3: `model.fit(..., callbacks=[AutofinetuneCallback("val_accuracy")])`.

Names are those of the history, such as `val_loss`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autofinetune.integration.callbacks import lazy

if TYPE_CHECKING:
    from autofinetune.integration.callbacks import Callback as AutofinetuneCallback

__all__ = ["AutofinetuneCallback"]
LEAST = "3.0"
__getattr__ = lazy(__name__, "callbacks.Callback", LEAST, "keras", "tf_keras", extra="keras")
