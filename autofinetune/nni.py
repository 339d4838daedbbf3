"""NNI's trial API for a training script: `import autofinetune.nni as nni`."""

from autofinetune.trial.nni import *  # noqa: F403
from autofinetune.trial.nni import __all__ as __all__
