"""The options that trials will pass."""

from __future__ import annotations

import pytest

from autofinetune.run.missing_options import needed_options
from autofinetune.space import load_space
from tests.helpers import config_of

SPACE = load_space(
    {"param_list": [{"name": name, "type": "choice", "choices": [1]}
                    for name in ("learning_rate", "units")]}
)  # fmt: skip


def test_everything_that_trials_get_is_needed() -> None:
    config = config_of(SPACE, script_args=("--amp", "--max_len=3"), warm_args=("--epochs=2",))
    assert needed_options(config) == {
        "learning_rate": "a hyperparameter",
        "units": "a hyperparameter",
        "saved_params_dir": "the directory in which to save the model",
        "model_path": "the directory of the model to continue from",
        "amp": "given on the command line",
        "max_len": "given on the command line",
        "epochs": "given by --warm_args",
    }


@pytest.mark.parametrize("fields", [{"evaluator": "fulltrail"}, {"round": 1}])
def test_a_model_path_is_needed_only_where_models_are_continued(fields: dict[str, object]) -> None:
    assert "model_path" not in needed_options(config_of(SPACE, **fields))
