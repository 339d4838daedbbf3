"""LightGBM: `lightgbm.train(..., callbacks=[AutofinetuneCallback("valid_0-auc")])`.

Names are those of data set and metric; with a single data set, `auc` is enough. `cv` and the
scikit-learn classes take the callback as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autofinetune.integration.callbacks import lazy

if TYPE_CHECKING:
    from autofinetune.integration.callbacks import Callback as AutofinetuneCallback

__all__ = ["AutofinetuneCallback"]
LEAST = "2.1"
__getattr__ = lazy(__name__, "", LEAST, "lightgbm", extra="lightgbm")
