"""The training script of config.yml; what it would train is a formula here.

The hyperparameters are a JSON object in a variable of the environment.
"""

import json
import math
import os

import autofinetune

params = json.loads(os.environ["AUTOFINETUNE_PARAMS"])
best = {"sgd": 0.03, "adam": 0.001}[params["optimizer"]["_name"]]
error = abs(math.log10(params["optimizer"]["lr"] / best)) + 8 / params["hidden_size"]
for epoch in range(1, 6):
    accuracy = math.exp(-error) * (1 - 0.5**epoch)
    autofinetune.report_intermediate_result(accuracy, epoch)
    if autofinetune.should_stop():
        break
autofinetune.report_final_result(accuracy)
