"""Tells lists of numbers with a high sum from others with a tiny BERT, trained from scratch.

One line makes the score known: AutofinetuneCallback("eval_accuracy") among the callbacks.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from autofinetune.integration.transformers import AutofinetuneCallback

LENGTH = 8
NUMBERS = 32
TRAINING, VALIDATION = 1000, 500


class Lists(torch.utils.data.Dataset[Any]):  # type: ignore[misc]
    """Lists of eight numbers below 32; the question is whether their sum is above average."""

    def __init__(self, count: int, seed: int) -> None:
        self.lists = np.random.default_rng(seed).integers(NUMBERS, size=(count, LENGTH))
        self.labels = (self.lists.sum(axis=1) > LENGTH * (NUMBERS - 1) / 2).astype(int)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.lists[index], "labels": self.labels[index]}


def accuracy(prediction: Any) -> dict[str, float]:
    """Return the share of lists that are told rightly."""
    return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}


def main() -> None:
    """Train, and save the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning_rate", type=float, default=5e-5)
    parser.add_argument("--weight_decay", type=float, default=0.0)
    parser.add_argument("--warmup_steps", type=int, default=0)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--saved_params_dir", default="model", help="save the model here")
    options = parser.parse_args()

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(
        vocab_size=NUMBERS, intermediate_size=64, max_position_embeddings=LENGTH, num_labels=2,
        hidden_dropout_prob=0.0, **sizes,
    )  # fmt: skip
    trainer = Trainer(
        BertForSequenceClassification(config),
        TrainingArguments(
            output_dir=options.saved_params_dir, eval_strategy="epoch", save_strategy="no",
            report_to="none", disable_tqdm=True, num_train_epochs=options.epochs,
            learning_rate=options.learning_rate, weight_decay=options.weight_decay,
            warmup_steps=options.warmup_steps, per_device_train_batch_size=options.batch_size,
            per_device_eval_batch_size=VALIDATION,
        ),
        train_dataset=Lists(TRAINING, seed=1), eval_dataset=Lists(VALIDATION, seed=2),
        compute_metrics=accuracy, callbacks=[AutofinetuneCallback("eval_accuracy")],
    )  # fmt: skip
    trainer.train()
    trainer.save_model()


if __name__ == "__main__":
    main()
