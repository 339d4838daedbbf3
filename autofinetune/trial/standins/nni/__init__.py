"""`import nni` in a trial whose Python does not have NNI: the same calls."""

from autofinetune.nni import *  # noqa: F403
from autofinetune.nni import __all__ as __all__
