"""PaddlePaddle: `paddle.Model.fit(..., callbacks=[AutofinetuneCallback("eval_acc")])`.

Names are those in the progress bar: `acc` while training, `eval_acc` for the evaluation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autofinetune.integration.callbacks import lazy

if TYPE_CHECKING:
    from autofinetune.integration.callbacks import Callback as AutofinetuneCallback

__all__ = ["AutofinetuneCallback"]
LEAST = "2.6"
__getattr__ = lazy(__name__, "callbacks.Callback", LEAST, "paddle", extra="paddle")
