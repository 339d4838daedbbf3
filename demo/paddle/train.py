"""Reads handwritten digits with a small convolutional network of PaddlePaddle.

One line makes the score known: AutofinetuneCallback("eval_acc") among the callbacks of `fit`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from sklearn.datasets import load_digits

from autofinetune.integration.paddle import AutofinetuneCallback

VALIDATION = 500  # of 1797 digits
MODEL = "digits"  # the name of the files in --saved_params_dir


class Digits(paddle.io.Dataset):  # type: ignore[misc]
    """Images as float32 `(1, 8, 8)` from 0 to 1, and which digit each of them shows."""

    def __init__(self, images: Any, labels: Any) -> None:
        super().__init__()
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return self.images[index], self.labels[index]


def load() -> tuple[Digits, Digits]:
    """Training and validation digits: the same ones in every trial."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32").reshape(-1, 1, 8, 8)
    labels = labels.astype("int64").reshape(-1, 1)
    order = np.random.default_rng(0).permutation(len(labels))
    held_out, rest = order[:VALIDATION], order[VALIDATION:]
    return Digits(images[rest], labels[rest]), Digits(images[held_out], labels[held_out])


def new_model(options: argparse.Namespace) -> Any:
    """Return a `paddle.Model`, ready to train."""
    network = nn.Sequential(
        nn.Conv2D(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2D(2),
        nn.Conv2D(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Dropout(options.dropout), nn.Linear(32 * 4 * 4, 10),
    )  # fmt: skip
    model = paddle.Model(network)
    optimizer = paddle.optimizer.Momentum(
        options.learning_rate, options.momentum, parameters=model.parameters(),
        weight_decay=options.weight_decay,
    )  # fmt: skip
    model.prepare(optimizer, nn.CrossEntropyLoss(), paddle.metric.Accuracy())
    return model


def main() -> None:
    """Train, and save the model for later trials to continue."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning_rate", type=float, default=0.003)
    parser.add_argument("--momentum", type=float, default=0.5)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--weight_decay", type=float, default=0.001)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--saved_params_dir", help="save the model in this directory")
    parser.add_argument("--model_path", help="continue the model in this directory")
    options = parser.parse_args()

    paddle.seed(0)
    training, validation = load()
    model = new_model(options)
    if options.model_path:
        model.load(str(Path(options.model_path, MODEL)))
    model.fit(
        training, validation, batch_size=options.batch_size, epochs=options.epochs, verbose=2,
        callbacks=[AutofinetuneCallback("eval_acc")],
    )  # fmt: skip
    if options.saved_params_dir:
        model.save(str(Path(options.saved_params_dir, MODEL)))


if __name__ == "__main__":
    main()
