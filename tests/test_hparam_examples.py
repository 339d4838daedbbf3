"""Every file in hparam_examples/ loads, has comments and shows what its name says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autofinetune.cli import main
from autofinetune.space import Space, load_space
from autofinetune.strategies import create_strategy
from tests.helpers import from_init

FOLDER = Path(__file__).parent.parent / "hparam_examples"
FILES = sorted(path for path in FOLDER.iterdir() if path.is_file() and path.suffix != ".py")
SPACES = [path for path in FILES if path.name != "wandb_sweep.yaml"]  # a whole run


def load(name: str) -> Space:
    return load_space(FOLDER / name)


def every_value(space: Space) -> dict[str, list[object]]:
    return {parameter.name: list(parameter.values()) for parameter in space}


def test_the_features_have_a_file_each() -> None:
    names = [path.name for path in FILES]
    assert names == [
        "choice.yaml",
        "conditional.yaml",
        "distributions.yaml",
        "log_scale.yaml",
        "nni_search_space.json",
        "one_parameter.yaml",
        "paddlehub_classic.yaml",
        "scientific_numbers.yaml",
        "step.yaml",
        "wandb_sweep.yaml",
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_loads_and_begins_with_a_comment(path: Path) -> None:
    if path.suffix != ".json":  # JSON has no comments
        assert path.read_text(encoding="utf-8").startswith("# ")
    assert load_space(path).dim >= 1


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_a_file_is_the_same_space_once_converted(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "hparam.yaml"
    assert main(["convert", str(path), f"--out={out}"]) == 0
    assert load_space(out) == load_space(path)
    assert out.read_text().startswith(f"# Converted from {path.name}.\n")
    notes = [f"note: {note}" for note in load_space(path).notes]
    assert capsys.readouterr().err.splitlines() == notes


@pytest.mark.parametrize("strategy", from_init())
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_can_be_searched_from_its_initial_values(path: Path, strategy: str) -> None:
    space = load_space(path)
    candidates = create_strategy(strategy, space, popsize=4, seed=0).ask(4)
    assert candidates[0].params == space.init_params
    assert len({tuple(candidate.params.values()) for candidate in candidates}) == 4


def test_the_classic_file_is_the_one_that_paddlehub_documents() -> None:
    assert [dict(parameter.describe()) for parameter in load("paddlehub_classic.yaml")] == [
        {
            "name": "hparam1",
            "type": "float",
            "init_value": 0.001,
            "lower_than": 0.05,
            "greater_than": 0.00005,
        },
        {
            "name": "hparam2",
            "type": "int",
            "init_value": 12,
            "lower_than": 20,
            "greater_than": 10,
        },
    ]


def test_the_log_scale_gives_each_order_of_magnitude_the_same_room() -> None:
    rate, hidden = load("log_scale.yaml")
    assert rate.encode(0.001) == pytest.approx(1 / 3)
    assert rate.encode(0.01) == pytest.approx(2 / 3)
    narrow, wide = hidden.encode(16) - hidden.encode(8), hidden.encode(1024) - hidden.encode(512)
    assert narrow == pytest.approx(wide, rel=0.1)


def test_the_steps_are_those_in_the_comments() -> None:
    assert every_value(load("step.yaml")) == {
        "batch_size": [16, 32, 48, 64],
        "dropout": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
    }


def test_the_choices_keep_their_types() -> None:
    space = load("choice.yaml")
    assert every_value(space) == {
        "optimizer": ["sgd", "adam", "rmsprop"],
        "kernel_size": [1, 3, 7],
        "use_bias": [True, False],
        "warmup": [None, "linear", "cosine"],
    }
    assert space.init_params["optimizer"] == "adam"
    assert space.init_params["kernel_size"] == 1  # the first one, since none is named


def test_numbers_with_an_exponent_are_numbers() -> None:
    rate, decay, steps = (
        dict(parameter.describe()) for parameter in load("scientific_numbers.yaml")
    )
    assert (rate["greater_than"], rate["init_value"], rate["lower_than"]) == (1e-5, 1e-3, 1e-1)
    assert (decay["init_value"], decay["lower_than"]) == (0.01, 0.5)
    assert (steps["init_value"], steps["lower_than"]) == (1000, 2500)
    assert isinstance(steps["init_value"], int)


def test_a_condition_holds_back_what_another_choice_needs() -> None:
    space = load("conditional.yaml")
    assert space.init_params == {"optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9}
    assert space.decode((0.9, 0.5, 0.5, 0.9)) == {
        "optimizer": "adamw", "learning_rate": 0.01, "amsgrad": True,
    }  # fmt: skip
    assert "amsgrad" in space.decode((0.5, 0.5, 0.5, 0.9))


def test_distributions_are_those_in_the_comments() -> None:
    space = load("distributions.yaml")
    decay, smoothing, hidden, *_ = space
    quartiles = [decay.decode(u) for u in (0.25, 0.5, 0.75)]
    assert quartiles == pytest.approx([0.0005, 0.001, 0.002], rel=0.1)
    assert float(str(smoothing.decode(0.9))) < 0.3
    assert hidden.values() == [64, 100, 150, 200, 250, 300, 350, 400, 450, 500]
    assert space.options({"kernel": "[3, 3]"}) == {"kernel": "[3, 3]", "epochs": 3}


def test_the_space_of_nni_gives_trials_what_nni_would() -> None:
    space = load("nni_search_space.json")
    assert space.notes == ()
    assert space.nest(space.init_params) == {
        "batch_size": 32,
        "layers": 3,
        "hidden_size": 128.0,
        "dropout": 0.3,
        "weight_decay": 0.000911881965555,
        "optimizer": {"_name": "sgd", "lr": 0.0316227766017, "momentum": 0.495},
    }


def test_the_sweep_gives_trials_what_wandb_would() -> None:
    space = load("wandb_sweep.yaml")
    assert space.notes[0].endswith("only the parameters of the sweep are read here, not program, "
                                   "method, metric")  # fmt: skip
    assert space.nest(space.init_params) == {
        "learning_rate": 0.001,
        "batch_size": 88,
        "layers": 4,
        "dropout": 0.25,
        "activation": "relu",
        "optimizer": {"name": "sgd", "decay": 0.1},
        "epochs": 10,
    }


def test_the_script_of_nni_runs_by_itself_and_is_tuned_over_its_space(tmp_path: Path) -> None:
    script, space = FOLDER / "train_nni.py", FOLDER / "nni_search_space.json"
    alone = subprocess.run(
        [sys.executable, "-W", "ignore", script], capture_output=True, text=True, check=True
    )
    assert alone.stdout.splitlines()[-1].startswith("Final result: 0.8")
    command = [
        *(sys.executable, "-m", "autofinetune", str(script), "--nni_wire", "--gpu=cpu:2"),
        *(f"--param_file={space}", "--popsize=2", "--round=1", "--output_dir=result"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "result/round0/log-0.info").read_text()
    assert str(load("nni_search_space.json").nest(load_space(space).init_params)) in log
    assert (tmp_path / "result/best_model/model.txt").exists()
