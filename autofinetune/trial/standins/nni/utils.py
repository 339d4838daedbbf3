"""A substitute for `nni.utils`, as far as training scripts use it."""

from autofinetune.trial.nni import merge_parameter

__all__ = ["merge_parameter"]
