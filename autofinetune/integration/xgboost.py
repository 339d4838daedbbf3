"""XGBoost: `xgboost.train(..., callbacks=[AutofinetuneCallback("val-auc")])`.

Names are those that XGBoost prints, such as `validation_0-logloss`; with a single data set,
`logloss` is enough. `cv` and the scikit-learn classes take the callback as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autofinetune.integration.callbacks import lazy

if TYPE_CHECKING:
    from autofinetune.integration.callbacks import Callback as AutofinetuneCallback

__all__ = ["AutofinetuneCallback"]
LEAST = "1.3"
__getattr__ = lazy(__name__, "callback.TrainingCallback", LEAST, "xgboost", extra="xgboost")
