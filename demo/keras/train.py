"""Reads handwritten digits with a small network of Keras.

One line makes the score known: AutofinetuneCallback("val_accuracy") among the callbacks of `fit`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from sklearn.datasets import load_digits

from autofinetune.integration.keras import AutofinetuneCallback

VALIDATION = 500  # of 1797 digits


def main() -> None:
    """Train, and save the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning_rate", type=float, default=0.001)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--activation", choices=("relu", "tanh", "gelu"), default="tanh")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--saved_params_dir", help="save the model in this directory")
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))  # the same in every trial
    x, y = images[order].astype("float32") / 16, labels[order]
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(options.units, activation=options.activation),
            keras.layers.Dropout(options.dropout),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(options.learning_rate), "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )  # fmt: skip
    model.fit(
        x[VALIDATION:], y[VALIDATION:], batch_size=options.batch_size, epochs=options.epochs,
        validation_data=(x[:VALIDATION], y[:VALIDATION]), verbose=2,
        callbacks=[AutofinetuneCallback("val_accuracy")],
    )  # fmt: skip
    if options.saved_params_dir:
        model.save(Path(options.saved_params_dir, "digits.keras"))


if __name__ == "__main__":
    main()
