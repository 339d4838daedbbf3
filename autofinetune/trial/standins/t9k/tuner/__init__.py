"""The functions of `t9k.tuner` for scripts of AutoTuneExperiments; they work like NNI's.

The names are from TensorStack's SDK documentation, docs/tool/tensorstack-sdk.
"""

from __future__ import annotations

from autofinetune.trial.nni import (
    get_current_parameter,
    get_experiment_id,
    get_next_parameter,
    get_sequence_id,
    get_trial_id,
    report_final_result,
    report_intermediate_result,
)

__all__ = [
    "get_current_parameter",
    "get_experiment_id",
    "get_next_parameter",
    "get_sequence_id",
    "get_trial_id",
    "report_final_result",
    "report_intermediate_result",
]
