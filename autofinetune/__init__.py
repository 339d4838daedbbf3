"""Tune the hyperparameters of your own train.py: `import autofinetune as hub` in the script.

Importing this package loads the standard library only, so that a training script pays nothing
for it. The tuner itself is started by the command `autofinetune`.
"""

from .report import report_final_result, report_intermediate_result, should_stop
from .version import __version__

__all__ = ["__version__", "report_final_result", "report_intermediate_result", "should_stop"]
