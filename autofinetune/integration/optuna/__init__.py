"""autofinetune's search inside Optuna: a sampler of any strategy and a pruner of any assessor.

    from autofinetune.integration.optuna import AssessorPruner, StrategySampler

    study = optuna.create_study(sampler=StrategySampler("pshe2"), pruner=AssessorPruner("asha"))

Optuna is imported when one of the names is used; EnvironmentProblem if it is missing or too old.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from autofinetune.run.optuna_study import OPTUNA

if TYPE_CHECKING:
    from .pruner import AssessorPruner
    from .sampler import StrategySampler

_MODULES = {"AssessorPruner": "pruner", "StrategySampler": "sampler"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    OPTUNA.check(name)
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)


__all__ = ["AssessorPruner", "StrategySampler"]
