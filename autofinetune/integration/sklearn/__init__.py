"""scikit-learn: `from autofinetune.integration.sklearn import AutofinetuneSearchCV`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autofinetune.integration.library import load

if TYPE_CHECKING:
    from .search import AutofinetuneSearchCV

__all__ = ["AutofinetuneSearchCV"]
LEAST = {"sklearn": "1.4", "joblib": "1.4"}


def __getattr__(name: str) -> Any:
    if name != "AutofinetuneSearchCV":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module, least in LEAST.items():
        load(name, "sklearn", least, module)
    from .search import AutofinetuneSearchCV

    return AutofinetuneSearchCV
