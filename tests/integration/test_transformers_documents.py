"""Two documents about searches with Trainer, run as written, with what each line shows.

The first tunes a BERT on hotel reviews by Trainer and Optuna; the second is the page of
transformers about `hyperparameter_search`, with its three styles of spaces. What they download
is made by `hotel.py`. docs/transformers.md says which lines had to differ.
"""

# ruff: noqa: E501  the lines of the documents

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.integration import library

library("transformers")

from transformers import AutoModelForSequenceClassification  # noqa: E402
from transformers.trainer_utils import BestRun  # noqa: E402

from autofinetune.integration.transformers import (  # noqa: E402
    apply_best,
    hyperparameter_search,
    register,
)
from tests.integration import hotel  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the libraries
    pytest.mark.xdist_group("transformers"),
]

NAMES = ["learning_rate", "num_train_epochs", "seed", "per_device_train_batch_size", "optim"]
LINE = re.compile(
    r"\[I (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[^\]]*\] Trial (\d+) finished with value: (\S+) and "
    r"parameters: (\{.*?\})\.\s+Best is trial (\d+) with value: (\S+)\."
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("hotel")
    hotel.write(at)
    return at


@pytest.fixture(scope="module")
def reviews(place: Path) -> dict[str, Any]:
    """The names of the first document's script, up to its call of the search."""
    with pytest.MonkeyPatch.context() as here:
        here.chdir(place)
        here.setenv("HF_DATASETS_CACHE", str(place / "cache"))
        (place / "train.py").write_text(hotel.SCRIPT)
        names = runpy.run_path("train.py", run_name="__main__")
    assert list((place / "checkpoints").glob("checkpoint-*"))  # of the document's trainer.train()
    return names


def check_lines(text: str, trials: int) -> None:
    """The lines have the form that the document shows."""
    found = LINE.findall(text)
    assert [int(one[1]) for one in found] == list(range(trials))
    values = [float(one[2]) for one in found]
    for number, one in enumerate(found):
        assert list(ast.literal_eval(one[3])) == NAMES
        assert float(one[5]) == max(values[: number + 1]) == values[int(one[4])]


def check_values(found: dict[str, Any]) -> None:
    assert list(found) == NAMES
    assert 1e-6 <= found["learning_rate"] <= 1e-4
    assert found["num_train_epochs"] in range(1, 6)
    assert found["seed"] in range(1, 41)
    assert found["per_device_train_batch_size"] in (4, 8, 16, 32, 64)
    assert found["optim"] in ("sgd", "adamw_torch")


def test_hotel_reviews(
    place: Path, reviews: dict[str, Any], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(place)
    trainer, hp_space = reviews["trainer"], reviews["default_hp_space_optuna"]
    before, model = trainer.args.to_dict(), trainer.model
    best = hyperparameter_search(
        trainer, hp_space=hp_space, compute_objective=lambda x: x["eval_f1"],
        direction="maximize", n_trials=3, seed=1, log_to="none",
    )  # fmt: skip
    check_lines(capsys.readouterr().err, 3)
    assert isinstance(best, BestRun)
    check_values(best.hyperparameters)
    assert str(best).startswith(f"BestRun(run_id='{best.run_id}', objective={best.objective}, ")
    # The trainer is as it was; the checkpoints of each trial are where the document has them.
    assert trainer.args.to_dict() == before
    assert trainer.model is model
    for trial in best.run_summary.trials:
        (*_, last) = sorted((place / f"checkpoints/run-{trial.id}").glob("checkpoint-*"))
        assert (last / "model.safetensors").exists()
    saved = AutoModelForSequenceClassification.from_pretrained(best.run_summary.best_model)
    assert saved.config.num_hidden_layers == 1
    # The Trainer trains on with the best values, which is the same training again.
    apply_best(trainer, best)
    assert trainer.args.optim == best.hyperparameters["optim"]
    assert trainer.args.output_dir == "./checkpoints"
    trainer.train()
    scores = [log["eval_f1"] for log in trainer.state.log_history if "eval_f1" in log]
    assert scores[-1] == pytest.approx(best.objective)


def test_hotel_reviews_by_optuna_with_our_search(
    place: Path, reviews: dict[str, Any], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The document's own call, with a sampler and a pruner of ours: nothing is patched."""
    optuna = library("optuna")
    from autofinetune.integration.optuna import AssessorPruner, StrategySampler

    monkeypatch.chdir(place)
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.INFO)  # other tests of this process silence it
    trainer, hp_space = reviews["trainer"], reviews["default_hp_space_optuna"]
    best = trainer.hyperparameter_search(
        hp_space=hp_space, compute_objective=lambda x: x["eval_f1"], direction="maximize",
        n_trials=4, backend="optuna", sampler=StrategySampler("pshe2", seed=1),
        pruner=AssessorPruner("medianstop", start_step=1, min_completed=1),
    )  # fmt: skip
    check_values(best.hyperparameters)
    assert best.run_summary is None
    assert "Trial 0 finished with value: " in caplog.text


PAGE = """
from types import SimpleNamespace
import torch
from ray import tune
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments
from transformers import BertConfig, default_data_collator
from tests.integration.trainers import Rows, metrics

def optuna_hp_space(trial):
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-6, 1e-4, log=True),
        "per_device_train_batch_size": trial.suggest_categorical("per_device_train_batch_size", [16, 32, 64, 128]),
    }

def ray_hp_space(trial):
    return {
        "learning_rate": tune.loguniform(1e-6, 1e-4),
        "per_device_train_batch_size": tune.choice([16, 32, 64, 128]),
    }

def wandb_hp_space(trial):
    return {
        "method": "random",
        "metric": {"name": "objective", "goal": "minimize"},
        "parameters": {
            "learning_rate": {"distribution": "uniform", "min": 1e-6, "max": 1e-4},
            "per_device_train_batch_size": {"values": [16, 32, 64, 128]},
        },
    }

model_args = SimpleNamespace(model_name_or_path="hfl/rbt3", cache_dir=None, model_revision="main",
                             use_auth_token=False)
config = BertConfig.from_pretrained("hfl/rbt3")
tokenizer = AutoTokenizer.from_pretrained("hfl/rbt3")
training_args = TrainingArguments("page", eval_strategy="epoch", num_train_epochs=1, disable_tqdm=True)
small_train_dataset = small_eval_dataset = Rows()
compute_metrics, data_collator = metrics, default_data_collator

def model_init(trial):
    return AutoModelForSequenceClassification.from_pretrained(
        model_args.model_name_or_path,
        config=config,
        cache_dir=model_args.cache_dir,
        revision=model_args.model_revision,
        token=True if model_args.use_auth_token else None,
    )

trainer = Trainer(
    model=None,
    args=training_args,
    train_dataset=small_train_dataset,
    eval_dataset=small_eval_dataset,
    compute_metrics=compute_metrics,
    processing_class=tokenizer,
    model_init=model_init,
    data_collator=data_collator,
)

def compute_objective(metrics):
    return metrics["eval_accuracy"]
"""
SIZES = [16, 32, 64, 128]


@pytest.fixture(scope="module")
def page(place: Path) -> dict[str, Any]:
    """The names of the second document's script, up to its call of the search."""
    with pytest.MonkeyPatch.context() as here:
        here.chdir(place)
        (place / "page.py").write_text(PAGE)
        return runpy.run_path("page.py", run_name="__main__")


@pytest.mark.parametrize("style", ["optuna", "ray", "wandb"])
def test_the_page_of_transformers(
    style: str, place: Path, page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    trainer: Any = page["trainer"]
    hp_space, compute_objective = page[f"{style}_hp_space"], page["compute_objective"]
    ours: dict[str, Any] = {"output_dir": f"page/{style}", "log_to": "none", "preload": "none"}
    if style == "optuna":  # and the call of the page, with our search as a backend
        register()
        register()
        best_trial = trainer.hyperparameter_search(
            direction="maximize", backend="autofinetune", hp_space=hp_space, n_trials=1,
            compute_objective=compute_objective, hp_name=name_by_size, gpu="cpu", **ours,
        )  # fmt: skip
        assert trainer.hp_search_backend is None
    else:
        best_trial = hyperparameter_search(
            trainer, direction="maximize", backend=style, hp_space=hp_space, n_trials=1,
            # Without it, it is the sum of the metrics, of which there is one.
            compute_objective=compute_objective if style == "wandb" else None,
            hp_name=name_by_size, **ours,
        )  # fmt: skip
    learning_rate, size = best_trial.hyperparameters.values()
    assert 1e-6 <= learning_rate <= 1e-4
    assert size in SIZES
    assert best_trial.objective == pytest.approx(0.5, abs=0.5)
    assert {path.name for path in (place / "page" / style).iterdir()} == {"search", f"size-{size}"}
    config = best_trial.run_summary.history.config
    space = {entry["name"]: entry for entry in config["param_list"]}
    rate = space["learning_rate"]
    assert (rate["greater_than"], rate["lower_than"]) == (1e-6, 1e-4)
    assert rate.get("log", False) == (style != "wandb")
    assert space["per_device_train_batch_size"]["choices"] == SIZES
    assert config["tuning_strategy"] == ("random" if style == "wandb" else "pshe2")


def name_by_size(trial: Any) -> str:
    return f"size-{trial.params['per_device_train_batch_size']}"
