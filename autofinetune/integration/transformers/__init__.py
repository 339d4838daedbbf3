"""Hugging Face transformers: a search for its Trainer, each trial a process, and a callback.

    from autofinetune.integration.transformers import hyperparameter_search

    best = hyperparameter_search(trainer, hp_space, direction="maximize", n_trials=10)

transformers is imported when one of the names is used; EnvironmentProblem if it is missing or too
old.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backend import register
    from .best import apply_best
    from .callback import AutofinetuneCallback
    from .prune import prune_together
    from .search import hyperparameter_search

_MODULES = {
    "AutofinetuneCallback": "callback",
    "apply_best": "best",
    "hyperparameter_search": "search",
    "prune_together": "prune",
    "register": "backend",
}
__all__ = [
    "AutofinetuneCallback",
    "apply_best",
    "hyperparameter_search",
    "prune_together",
    "register",
]


def __getattr__(name: str) -> Any:
    """Import what needs the library on its first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
