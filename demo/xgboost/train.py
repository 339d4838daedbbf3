"""Predicts the progress of diabetes with XGBoost; the score is an error, so lower is better.

One line makes the score known: AutofinetuneCallback("validation-rmse") among the callbacks.
`final="best"` takes the best iteration, as XGBoost itself does when it stops early.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import xgboost
from sklearn.datasets import load_diabetes

from autofinetune.integration.xgboost import AutofinetuneCallback

VALIDATION = 150  # of 442 patients


def main() -> None:
    """Train, and save the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--eta", type=float, default=0.3)
    parser.add_argument("--max_depth", type=int, default=6)
    parser.add_argument("--min_child_weight", type=float, default=1.0)
    parser.add_argument("--subsample", type=float, default=1.0)
    parser.add_argument("--colsample_bytree", type=float, default=1.0)
    parser.add_argument("--saved_params_dir", help="save the model in this directory")
    options = vars(parser.parse_args())
    directory = options.pop("saved_params_dir")

    inputs, targets = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(targets))  # the same in every trial
    held_out, rest = order[:VALIDATION], order[VALIDATION:]
    validation = xgboost.DMatrix(inputs[held_out], label=targets[held_out])
    model = xgboost.train(
        {**options, "objective": "reg:squarederror", "nthread": 1, "seed": 0},
        xgboost.DMatrix(inputs[rest], label=targets[rest]),
        num_boost_round=300, evals=[(validation, "validation")], verbose_eval=50,
        early_stopping_rounds=20,
        callbacks=[AutofinetuneCallback("validation-rmse", final="best")],
    )  # fmt: skip
    if directory:
        model.save_model(Path(directory, "model.json"))


if __name__ == "__main__":
    main()
