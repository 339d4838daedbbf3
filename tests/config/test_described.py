"""The record of a Config: what is written is read back, and what is damaged is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from autofinetune.config.build import build_config
from autofinetune.config.described import (
    DESCRIBED,
    describe,
    described_values,
    from_description,
    planned,
)
from autofinetune.config.placement import Placement
from autofinetune.errors import ConfigError
from autofinetune.run.directories import KNOWN
from autofinetune.space import Space, dump_yaml, parse_yaml
from autofinetune.strategies import known_name
from tests.helpers import config_of, space_of

from .helpers import TASKS, build, command


def test_a_description_gives_the_same_config(folder: Path) -> None:
    plain = build(folder)
    full = build(
        folder, popsize=1, round=2, evaluator="fulltrail", tuning_strategy="hazero", seed=3,
        direction="minimize", trial_timeout=0.5, warm_args="a 1", script_args=("b", "é 'x'\n"),
        preload="json",
        trials_per_gpu="2", gpus_per_trial=4, ranks_per_trial=1, cpus_per_trial=3,
        assessor="asha", assessor_options={"eta": 3}, stop_grace=5, max_seconds=60,
        on_timeout="kill", nni_wire=True, max_parallel=2, max_trials=3, target_score=0.9,
    ).with_script_options({"lr", "epochs"})  # fmt: skip
    assert full.placement == Placement(2, 4, 1, 3, 2)
    for config in (plain, full, command(folder, tasks=TASKS, env=["A=b"], framework="xgboost")):
        described = describe(config)
        assert from_description(described) == config
        assert from_description(json.loads(json.dumps(described))) == config
        written = parse_yaml(dump_yaml(described).encode(), "config.yaml").value
        assert from_description(written) == config


def test_a_description_serves_as_options(folder: Path) -> None:
    config = build(
        folder, popsize=1, seed=3, warm_args="a 1", script_args=("b", "1", "--c"), trial_timeout=2
    )
    again = build_config(
        describe(config),
        KNOWN,
        known_name,
        working_dir=config.working_dir,
        python=config.python,
        random_seed=99,
    )
    assert again == config


def test_a_run_from_before_there_was_a_placement_has_the_usual_one() -> None:
    described = describe(config_of())
    for name in dataclasses.asdict(Placement()):
        del described[name]
    assert from_description(described) == config_of()


def test_a_description_from_before_there_were_assessors_has_none() -> None:
    described = describe(config_of())
    for name in ("assessor", "assessor_options", "stop_grace", "max_seconds", "on_timeout"):
        del described[name]
    assert from_description(described) == config_of()


def test_the_keys_of_a_config_yaml_are_known(folder: Path) -> None:
    program = {
        "command": ["python3", "train.py"],
        "tasks": [{"type": "w", "command": ["python3"]}],
    }
    assert describe(build(folder)).keys() <= DESCRIBED
    assert describe(build(folder, script="", **program)).keys() == DESCRIBED


def test_a_description_from_before_there_was_the_wire_of_nni_does_without(folder: Path) -> None:
    described = describe(build(folder))
    del described["nni_wire"]
    assert not from_description(described).nni_wire


def test_a_description_tells_how_many_trials_are_planned(folder: Path) -> None:
    described = describe(build(folder, max_trials="7", popsize=3, round=50))
    assert planned(described_values(described)) == 7
    assert planned(described_values(described | {"max_trials": None})) == 9


def test_a_damaged_description_is_refused() -> None:
    described = describe(config_of()) | {"param_list": [{"name": "lr"}]}
    with pytest.raises(ConfigError, match="type is missing"):
        from_description(described)


@pytest.mark.parametrize("space", [space_of("float", "log", "int", "small", "choice"), None])
def test_any_space_survives_a_description(space: Space | None) -> None:
    config = config_of(space, trial_timeout=1e-3, warm_args=())
    assert from_description(describe(config)) == config
