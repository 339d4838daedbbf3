"""Spaces of Ray Tune and of transformers, made by these libraries, and functions for Ray Tune."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import autofinetune as aft
from autofinetune.errors import ConfigError
from autofinetune.space.define import read_defined
from tests.integration import library

# Ray imports what it warns about.
pytestmark = pytest.mark.filterwarnings("ignore")
library("ray")
tune = library("ray.tune")
trainer_utils = library("transformers.trainer_utils")


def described(given: Any) -> list[dict[str, Any]]:
    entries: Any = read_defined(given).space.describe()["param_list"]
    return [{key: one[key] for key in one if key != "init_value"} for one in entries]


def entry(name: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    kind = "int" if type(low) is int else "float"
    return {"name": name, "type": kind, "greater_than": low, "lower_than": high, **more}


def test_ranges_of_ray_have_its_bounds() -> None:
    space = {
        "a": tune.uniform(0.5, 2.0), "b": tune.loguniform(1e-4, 1.0), "c": tune.randint(1, 5),
        "d": tune.quniform(0.1, 0.7, 0.1), "e": tune.qrandint(2, 13, 3),
        "f": tune.lograndint(1, 100), "g": tune.randn(2.0, 0.5), "h": tune.randint(4, 5),
        "i": tune.qloguniform(1e-2, 1.0, 1e-2),
    }  # fmt: skip
    assert described(space) == [
        entry("a", 0.5, 2.0), entry("b", 1e-4, 1.0, log=True), entry("c", 1, 4),
        entry("d", 0.1, 0.7, round_to=0.1), entry("e", 3, 12, step=3),
        entry("f", 1, 99, log=True),
        {"name": "g", "type": "float", "distribution": "normal", "mean": 2.0, "deviation": 0.5},
        {"name": "h", "type": "choice", "choices": [4]},
        entry("i", 0.01, 1.0, log=True, round_to=0.01),
    ]  # fmt: skip


def test_choices_constants_and_nested_values_of_ray() -> None:
    given = {
        "a": tune.choice([dict, "adam"]), "b": tune.grid_search([16, 32]), "c": 3,
        "net": {"width": tune.randint(1, 5), "act": {"kind": "relu"}},
    }  # fmt: skip
    found = read_defined(given)
    assert found.objects == {("a",): {"dict": dict}}
    params = found.space.nest(found.space.init_params)
    assert params == {
        "a": "dict", "b": 16, "c": 3, "net": {"width": 3, "act": {"kind": "relu"}},
    }  # fmt: skip
    assert found.arguments == {"a", "b", "c", "net"}
    with pytest.raises(ConfigError, match="Function of Ray Tune cannot be searched"):
        read_defined({"a": tune.sample_from(lambda config: 1), "b": tune.uniform(0, 1)})


def test_the_spaces_of_transformers_are_read_in_all_their_styles() -> None:
    names = ["learning_rate", "num_train_epochs", "seed", "per_device_train_batch_size"]
    optuna, ray, wandb = (
        described(getattr(trainer_utils, f"default_hp_space_{style}"))
        for style in ("optuna", "ray", "wandb")
    )
    for entries in (optuna, ray, wandb):
        assert [one["name"] for one in entries] == names
        assert entries[3]["choices"] == [4, 8, 16, 32, 64]
    assert optuna[0] == ray[0] == entry("learning_rate", 1e-6, 1e-4, log=True)
    assert wandb[0] == entry("learning_rate", 1e-6, 1e-4)
    assert optuna[1] == entry("num_train_epochs", 1, 5)
    assert ray[1]["choices"] == [1, 2, 3, 4, 5]


def test_a_function_for_ray_runs_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(config: dict[str, Any]) -> None:
        for step in range(1, 4):
            tune.report({"loss": config["lr"] / step, "accuracy": step * config["lr"]})

    monkeypatch.chdir(tmp_path)
    options: Any = {"trials": 2, "gpu": "cpu:2", "log_to": "none", "seed": 0}
    space = {"lr": tune.loguniform(1e-4, 1e-1)}
    result = aft.tune(train, space, metric="accuracy", **options)
    assert result.best is not None
    assert result.best.score == pytest.approx(3 * float(str(result.best.params["lr"])))
    assert [trial.reports for trial in result.trials] == [3, 3]
