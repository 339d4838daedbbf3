"""A substitute for `nni` in a trial whose Python does not have NNI: its trial API."""

from autofinetune.trial.nni import *  # noqa: F403
from autofinetune.trial.nni import __all__ as __all__
