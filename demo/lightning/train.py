"""Reads handwritten digits with a small network of Lightning.

One line makes the score known: AutofinetuneCallback("val_acc") among the Trainer's callbacks.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from autofinetune.integration.lightning import AutofinetuneCallback

VALIDATION = 500  # of 1797 digits


class Network(lightning.LightningModule):  # type: ignore[misc]
    """One hidden layer."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__()
        self.options = options
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64, options.hidden), torch.nn.ReLU(),
            torch.nn.Dropout(options.dropout), torch.nn.Linear(options.hidden, 10),
        )  # fmt: skip

    def training_step(self, batch: Any, index: int) -> Any:
        images, labels = batch
        return functional.cross_entropy(self.layers(images), labels)

    def validation_step(self, batch: Any, index: int) -> None:
        images, labels = batch
        self.log("val_acc", (self.layers(images).argmax(1) == labels).float().mean())

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(
            self.parameters(), lr=self.options.learning_rate, momentum=self.options.momentum
        )


def load() -> tuple[TensorDataset, TensorDataset]:
    """Training and validation digits: the same ones in every trial."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    x, y = torch.tensor(images[order] / 16).float(), torch.tensor(labels[order])
    return TensorDataset(x[VALIDATION:], y[VALIDATION:]), TensorDataset(
        x[:VALIDATION], y[:VALIDATION]
    )


def main() -> None:
    """Train, and save the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning_rate", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--saved_params_dir", help="save the model in this directory")
    options = parser.parse_args()

    lightning.seed_everything(0)
    training, validation = load()
    trainer = lightning.Trainer(
        max_epochs=options.epochs, callbacks=[AutofinetuneCallback("val_acc")],
        accelerator="auto", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(
        Network(options),
        DataLoader(training, options.batch_size, shuffle=True),
        DataLoader(validation, VALIDATION),
    )
    print(f"accuracy {float(trainer.callback_metrics['val_acc']):.4f}")
    if options.saved_params_dir:
        trainer.save_checkpoint(Path(options.saved_params_dir, "digits.ckpt"))


if __name__ == "__main__":
    main()
