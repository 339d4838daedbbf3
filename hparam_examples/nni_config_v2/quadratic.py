"""The training script of config.yml: a quadratic function.

The hyperparameters are a JSON object in a variable of the environment.
"""

import json
import os

import autofinetune

params = json.loads(os.environ["AUTOFINETUNE_PARAMS"])
autofinetune.report_final_result((params["x"] - 1) ** 2 + (params["y"] + 2) ** 2)
