"""`import nni` in a trial whose Python does not have NNI: the same calls."""

from autofinetune.trial.nni import *  # noqa: F403
from autofinetune.trial.nni import __all__ as __all__
