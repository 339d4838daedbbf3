"""A script with a tiny Trainer, for tests that start it as a process; see the cases in `main`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from autofinetune.errors import UsageError
from autofinetune.integration.transformers import hyperparameter_search, prune_together


class Rows(torch.utils.data.Dataset[Any]):  # type: ignore[misc]
    """Pairs of numbers; the first one tells the label."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": torch.tensor([index % 2 + 1, index % 3 + 3]), "labels": index % 2}


def tiny() -> Any:
    """Return an untrained model."""
    return BertForSequenceClassification(BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=8,
    ))  # fmt: skip


def metrics(prediction: Any) -> dict[str, float]:
    hits = prediction.predictions.argmax(1) == prediction.label_ids
    return {"accuracy": float(hits.mean())}


def make(output_dir: Path, model_init: Any = tiny, **arguments: Any) -> Any:
    """Return a Trainer on the CPU that evaluates after each epoch."""
    given = {
        "eval_strategy": "epoch", "save_strategy": "no", "num_train_epochs": 2, "use_cpu": True,
        "per_device_train_batch_size": 8, "report_to": "none", "disable_tqdm": True,
        **arguments,
    }  # fmt: skip
    return Trainer(
        model_init=model_init, args=TrainingArguments(str(output_dir), **given),
        train_dataset=Rows(), eval_dataset=Rows(), compute_metrics=metrics,
    )  # fmt: skip


def loss(found: Any) -> float:
    return float(found["eval_loss"])


def rates(trial: Any) -> dict[str, Any]:
    return {"learning_rate": trial.suggest_categorical("learning_rate", [1e-3, 1e-2, 1e-4])}


def resumable(place: Path) -> Any:
    """Search, or continue the search of another process that was killed."""
    return hyperparameter_search(
        make(place / "out", save_strategy="epoch"), rates, loss, n_trials=2, gpu="cpu",
        tuning_strategy="grid", resume=True, log_to="none", preload="none",
    )  # fmt: skip


def built_in(place: Path) -> None:
    """Run Trainer's own search on the ranks of torchrun, with a pruner that prunes one trial."""
    import optuna

    class Second(optuna.pruners.BasePruner):  # type: ignore[misc]
        def prune(self, study: Any, trial: Any) -> bool:
            return bool(trial.number == 1)

    trainer = make(
        place / "out", save_strategy="epoch", load_best_model_at_end=True, ddp_backend="gloo"
    )
    try:
        hyperparameter_search(trainer, rates)
    except UsageError as error:
        print(error.message, file=sys.stderr)
    steps: list[int] = []
    trainer.add_callback(Steps(steps))
    storage = f"sqlite:///{place}/study.db"
    best = trainer.hyperparameter_search(
        rates, loss, n_trials=3, backend="optuna", pruner=prune_together(trainer, Second()),
        storage=storage, study_name="tiny",
    )  # fmt: skip
    found = {"steps": steps, "best": best and best.run_id}
    if best is not None:
        trials = optuna.load_study(study_name="tiny", storage=storage).trials
        found["states"] = [trial.state.name for trial in trials]
    (place / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(found))


class Steps(TrainerCallback):  # type: ignore[misc]
    """Notes after how many steps each training has ended."""

    def __init__(self, steps: list[int]) -> None:
        self.steps = steps

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.steps.append(state.global_step)


if __name__ == "__main__":
    {"resumable": resumable, "built_in": built_in}[sys.argv[1]](Path(sys.argv[2]))
