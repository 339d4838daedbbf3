"""transformers: `Trainer(callbacks=[AutofinetuneCallback("eval_accuracy")])`.

Names are those that the Trainer logs; `accuracy` is enough for `eval_accuracy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autofinetune.integration.callbacks import lazy

if TYPE_CHECKING:
    from autofinetune.integration.callbacks import Callback as AutofinetuneCallback

__all__ = ["AutofinetuneCallback"]
LEAST = "4.41"
__getattr__ = lazy(__name__, "TrainerCallback", LEAST, "transformers", extra="transformers")
