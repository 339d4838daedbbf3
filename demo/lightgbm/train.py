"""Tells two classes of made-up points apart with LightGBM, by its scikit-learn class.

One line makes the score known: AutofinetuneCallback("auc") among the callbacks of `fit`.
`final="best"` takes the best iteration, as `early_stopping` does for the model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import lightgbm
from sklearn.datasets import make_classification

from autofinetune.integration.lightgbm import AutofinetuneCallback

TRAINING = 1500  # of 2500 points


def main() -> None:
    """Train, and save the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning_rate", type=float, default=0.1)
    parser.add_argument("--num_leaves", type=int, default=31)
    parser.add_argument("--min_child_samples", type=int, default=20)
    parser.add_argument("--reg_lambda", type=float, default=0.001)
    parser.add_argument("--colsample_bytree", type=float, default=1.0)
    parser.add_argument("--saved_params_dir", help="save the model in this directory")
    options = vars(parser.parse_args())
    directory = options.pop("saved_params_dir")

    # The same points in every trial; a tenth of them has the wrong class.
    x, y = make_classification(
        2500, n_features=30, n_informative=12, n_clusters_per_class=6, flip_y=0.1, random_state=0
    )
    model = lightgbm.LGBMClassifier(
        n_estimators=200, n_jobs=1, random_state=0, verbose=-1, **options
    )
    model.fit(
        x[:TRAINING], y[:TRAINING], eval_set=[(x[TRAINING:], y[TRAINING:])], eval_metric="auc",
        callbacks=[
            AutofinetuneCallback("auc", final="best"),
            lightgbm.early_stopping(20, first_metric_only=True),
            lightgbm.log_evaluation(50),
        ],
    )  # fmt: skip
    if directory:
        model.booster_.save_model(Path(directory, "model.txt"))


if __name__ == "__main__":
    main()
