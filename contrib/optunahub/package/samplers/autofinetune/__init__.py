"""The package as OptunaHub loads it: what is used is in autofinetune itself."""

from autofinetune.integration.optuna import AssessorPruner, StrategySampler

__all__ = ["AssessorPruner", "StrategySampler"]
