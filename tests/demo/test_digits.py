"""demo/digits/train.py as a trial runs it: a process with options and a file for its reports."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autofinetune.space import load_space

pytestmark = pytest.mark.xdist_group("digits")  # for its fixtures

if importlib.util.find_spec("sklearn") is None:
    pytest.skip("the digits come with scikit-learn", allow_module_level=True)

DEMO = Path(__file__).parents[2] / "demo" / "digits"
GOOD = (
    "--learning_rate=0.1",
    "--batch_size=32",
    "--momentum=0.9",
    "--weight_decay=0.0001",
    "--epochs=10",
)


@dataclass(frozen=True)
class Ran:
    """What a run of the script left behind."""

    model: Path
    reports: list[dict[str, Any]]

    @property
    def finals(self) -> list[float]:
        return [report["final"] for report in self.reports if "final" in report]

    @property
    def on_the_way(self) -> dict[int, float]:
        found = [report for report in self.reports if "intermediate" in report]
        return {report["step"]: report["intermediate"] for report in found}


SOURCE = "AUTOFINETUNE_SOURCE"  # where an environment that several checkouts share finds us


def call(*options: str, report_file: Path | None = None) -> subprocess.CompletedProcess[str]:
    environ = {
        key: value
        for key, value in os.environ.items()
        if key == SOURCE or "AUTOFINETUNE" not in key
    }
    if report_file is not None:
        environ["AUTOFINETUNE_REPORT_FILE"] = str(report_file)
    return subprocess.run(
        [sys.executable, "-W", "error", str(DEMO / "train.py"), *options],
        env=environ,
        capture_output=True,
        text=True,
    )


def train(directory: Path, *options: str) -> Ran:
    """Run the script to its end, with its model and its reports in `directory`."""
    reports, model = directory / "reports.jsonl", directory / "model"
    done = call(f"--saved_params_dir={model}", *options, report_file=reports)
    assert done.returncode == 0, done.stderr
    lines = reports.read_text(encoding="ascii").splitlines()
    return Ran(model, [json.loads(line) for line in lines if line])


def weights(ran: Ran) -> dict[str, Any]:
    with np.load(ran.model / "weights.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A trial from scratch with good hyperparameters."""
    return train(tmp_path_factory.mktemp("good"), *GOOD)


def test_good_hyperparameters_read_the_digits(good: Ran) -> None:
    assert good.finals[0] >= 0.95


def test_the_initial_values_leave_room_to_improve(tmp_path: Path, good: Ran) -> None:
    space = load_space(DEMO / "hparam.yaml")
    ran = train(tmp_path, *(f"--{name}={value}" for name, value in space.init_params.items()))
    assert 0.8 < ran.finals[0] < good.finals[0] - 0.01


def test_every_epoch_and_the_end_are_reported(good: Ran) -> None:
    assert list(good.on_the_way) == list(range(1, 11))
    assert good.finals == [good.on_the_way[10]]


def test_the_same_options_give_the_same_result(tmp_path: Path, good: Ran) -> None:
    again = train(tmp_path, *GOOD)
    assert again.on_the_way == good.on_the_way
    assert all(
        np.array_equal(weights(again)[name], value) for name, value in weights(good).items()
    )


def test_another_seed_begins_elsewhere(tmp_path: Path, good: Ran) -> None:
    other = train(tmp_path, *GOOD, "--epochs=1", "--seed=1")
    assert other.on_the_way[1] != good.on_the_way[1]


def test_going_on_begins_where_the_parent_ended(tmp_path: Path, good: Ran) -> None:
    warm = train(tmp_path, *GOOD, "--epochs=1", f"--model_path={good.model}")
    assert list(warm.on_the_way) == [11]
    assert warm.finals[0] > good.on_the_way[1] + 0.03  # one epoch from scratch
    assert weights(warm)["epochs"] == 11


def test_the_weights_are_those_of_the_parent(tmp_path: Path, good: Ran) -> None:
    """Without an epoch in between, what is read is what is written."""
    same = train(tmp_path, "--epochs=0", f"--model_path={good.model}")
    assert same.finals == good.finals
    assert all(np.array_equal(weights(same)[name], value) for name, value in weights(good).items())


def test_a_parent_may_have_been_trained_with_other_hyperparameters(
    tmp_path: Path, good: Ran
) -> None:
    other = ("--learning_rate=0.01", "--batch_size=7", "--momentum=0", "--weight_decay=0")
    warm = train(tmp_path, *other, "--epochs=1", f"--model_path={good.model}")
    assert warm.finals[0] >= 0.95


def test_a_missing_model_is_no_silent_start_from_scratch(tmp_path: Path) -> None:
    reports = tmp_path / "reports.jsonl"
    done = call("--epochs=1", f"--model_path={tmp_path / 'none'}", report_file=reports)
    assert done.returncode != 0
    assert not reports.exists()


def test_outside_a_run_it_prints_and_writes_nothing(tmp_path: Path) -> None:
    done = call("--epochs=1")
    assert done.returncode == 0
    assert done.stdout.startswith("epoch 1: accuracy 0.")
    assert "not inside a run" in done.stderr


def test_it_has_every_option_that_a_trial_passes() -> None:
    usage = call("--help").stdout
    names = [parameter.name for parameter in load_space(DEMO / "hparam.yaml")]
    assert all(f"--{name} " in usage for name in [*names, "saved_params_dir", "model_path"])
