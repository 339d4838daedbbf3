"""Spaces and values of a Trainer's search, without transformers."""

from __future__ import annotations

import dataclasses
import enum
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from autofinetune.errors import ConfigError, EnvironmentProblem, UsageError
from autofinetune.integration.transformers import (
    apply_best,
    hyperparameter_search,
    prune_together,
    register,
)
from autofinetune.integration.transformers.space import check_space, default_hp_space, read_space
from autofinetune.integration.transformers.values import cast, split

LEARNING_RATE = {"distribution": "uniform", "min": 1e-6, "max": 1e-4}
SIZES = {"values": [16, 32, 64, 128]}


def wandb_hp_space(trial: Any) -> dict[str, Any]:
    return {
        "method": "random",
        "metric": {"name": "objective", "goal": "minimize"},
        "parameters": {"learning_rate": LEARNING_RATE, "per_device_train_batch_size": SIZES},
    }


class Optim(enum.Enum):
    ADAM = "adamw_torch"
    SGD = "sgd"


@dataclasses.dataclass
class Arguments:
    learning_rate: float = 1
    num_train_epochs: float = 3.0
    seed: int = 42
    data_seed: int | None = None
    bf16: bool = False
    optim: Optim | str = Optim.ADAM
    report_to: str | list[str] | None = None
    run_name: str | None = "name"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("learning_rate", 1e-4, 1e-4), ("learning_rate", "1e-4", 1e-4), ("num_train_epochs", 2, 2),
        ("seed", 3.0, 3), ("seed", "3", 3), ("data_seed", 7.0, 7), ("data_seed", None, None),
        ("bf16", "False", False), ("bf16", "true", True), ("bf16", True, True),
        ("optim", "sgd", Optim.SGD), ("report_to", ["wandb"], ["wandb"]), ("run_name", "n", "n"),
    ],
)  # fmt: skip
def test_values_get_the_type_of_their_field(name: str, value: Any, expected: Any) -> None:
    found, _ = split(Arguments(), {name: value}, others_allowed=False)
    assert (found, type(found[name])) == ({name: expected}, type(expected))


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("seed", 2.5, "it must be a whole number"), ("seed", True, "it must be a whole number"),
        ("bf16", 2, "it must be True or False"), ("learning_rate", "fast", "it must be a number"),
        ("optim", "adamw_hf", "no such value (did you mean 'adamw_torch'?)"),
        ("optim", "x", "no such value; there are: adamw_torch, sgd"),
        ("run_name", 3, "it must be a string"),
    ],
)  # fmt: skip
def test_other_values_are_refused(name: str, value: Any, why: str) -> None:
    fields = {field.name: field for field in dataclasses.fields(Arguments)}
    with pytest.raises(UsageError) as caught:
        cast(fields[name], getattr(Arguments(), name), value)
    assert why in caught.value.message


def test_all_mistakes_of_a_space_are_found_in_advance() -> None:
    def space(trial: Any) -> None:
        trial.suggest_float("seed", 1, 40)
        if trial.suggest_categorical("optim", ["sgd", "adamw_hf"]) == "sgd":
            trial.suggest_float("momentum", 0.0, 0.9)

    with pytest.raises(ConfigError) as caught:
        check_space(space, Arguments(), takes_trial=False)
    text = caught.value.message
    assert "optim='adamw_hf'" in text
    assert "momentum is no field of Arguments" in text
    assert "whole number" in text
    check_space({"seed": (1, 40), "momentum": (0.0, 0.9)}, Arguments(), takes_trial=True)


def test_the_default_space_is_that_of_transformers_for_optuna() -> None:
    space, options = read_space(default_hp_space, None)
    assert (space, options) == (default_hp_space, {})
    with pytest.raises(ConfigError, match="per_device_train_batch_size is no field"):
        check_space(space, Arguments(), takes_trial=False)


def test_a_sweep_gives_its_parameters_and_method() -> None:
    space, options = read_space(wandb_hp_space, "wandb")
    assert options == {"tuning_strategy": "random"}
    assert space == {"parameters": wandb_hp_space(None)["parameters"]}


@pytest.mark.parametrize(
    ("hp_space", "backend", "why"),
    [
        (wandb_hp_space, "optuna", "but it has the style of wandb"),
        (default_hp_space, "ray", "but it has the style of optuna"),
        (lambda trial: {"seed": (1, 3)}, "ray", "but it returned dict"),
        (wandb_hp_space, "sigopt", "backend='sigopt' is unknown"),
        (lambda trial: None, None, "hp_space returned NoneType"),
        ({**wandb_hp_space(None), "early_terminate": {}}, None, "early_terminate of a W&B sweep"),
        ({**wandb_hp_space(None), "method": "custom"}, None, "method='custom' is none of"),
    ],
)
def test_a_space_of_another_style_is_refused(hp_space: Any, backend: Any, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_space(hp_space, backend)
    assert why in caught.value.message


def test_the_library_is_imported_on_use_only() -> None:
    code = (
        "import sys\nfrom autofinetune.integration.transformers import hyperparameter_search, "
        "register, apply_best, prune_together\nassert 'transformers' not in sys.modules\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(find_spec("transformers") is not None, reason="transformers is there")
@pytest.mark.parametrize("call", [hyperparameter_search, apply_best, prune_together])
def test_a_missing_library_is_named(call: Any) -> None:
    with pytest.raises(
        EnvironmentProblem, match="needs the package transformers, which"
    ) as caught:
        call(None, None)
    assert caught.value.tip == "pip install 'autofinetune[transformers]'"
    with pytest.raises(EnvironmentProblem, match="register needs the package transformers"):
        register()
