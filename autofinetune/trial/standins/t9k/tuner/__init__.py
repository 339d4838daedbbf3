"""The functions of `t9k.tuner` for scripts of AutoTuneExperiments, which are named like NNI's.

The names are from TensorStack's SDK documentation, docs/tool/tensorstack-sdk.
"""

from autofinetune.trial.nni import *  # noqa: F403
from autofinetune.trial.nni import __all__ as __all__
