"""demo/text_classification/train.py as a trial runs it, in numpy and in PyTorch."""

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

pytestmark = pytest.mark.xdist_group("text_classification")  # for its fixtures

DEMO = Path(__file__).parents[2] / "demo" / "text_classification"
GOOD = ("--learning_rate=0.03", "--batch_size=32", "--dropout=0.3", "--weight_decay=0.1")

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
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


def call(*options: str, report_file: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **variables}
    environ["AUTOFINETUNE_REPORT_FILE"] = str(report_file)
    return subprocess.run(
        [sys.executable, str(DEMO / "train.py"), *options],
        env=environ,
        capture_output=True,
        text=True,
    )


def train(directory: Path, *options: str, **variables: str) -> Ran:
    """Run the script to its end, with its model and its reports in `directory`."""
    reports, model = directory / "reports.jsonl", directory / "model"
    done = call(f"--saved_params_dir={model}", *options, report_file=reports, **variables)
    assert done.returncode == 0, done.stderr
    lines = reports.read_text(encoding="ascii").splitlines()
    return Ran(model, [json.loads(line) for line in lines if line])


def weights(ran: Ran) -> dict[str, Any]:
    with np.load(ran.model / "weights.npz", allow_pickle=False) as file:
        return dict(file)


def without_torch(directory: Path) -> str:
    """A PYTHONPATH under which Python finds no torch, whether it is installed or not."""
    place = directory / "hidden"
    place.mkdir()
    # Python imports this module as it starts; a None in sys.modules stands for "not there".
    hide = "import sys\n\nsys.modules['torch'] = None\n"
    (place / "sitecustomize.py").write_text(hide, encoding="ascii")
    return os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A short trial from scratch with good hyperparameters, in numpy."""
    return train(tmp_path_factory.mktemp("parent"), *GOOD, "--framework=numpy", "--epochs=2")


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory, parent: Ran) -> Ran:
    """One more epoch from the parent's model, in numpy."""
    options = ("--framework=numpy", "--epochs=1", f"--model_path={parent.model}")
    return train(tmp_path_factory.mktemp("warm"), *GOOD, *options)


def test_it_learns_and_reports_each_epoch_and_the_end(parent: Ran) -> None:
    assert list(parent.on_the_way) == [1, 2]
    assert parent.finals == [parent.on_the_way[2]]
    assert 0.25 < parent.on_the_way[1] < parent.on_the_way[2]  # the largest package has a sixth
    assert parent.finals[0] > 0.7


def test_going_on_begins_where_the_parent_ended(parent: Ran, warm: Ran) -> None:
    assert list(warm.on_the_way) == [3]
    assert warm.finals[0] > parent.on_the_way[1]  # one epoch from scratch
    assert weights(warm)["epochs"] == 3


def test_the_weights_are_those_of_the_parent_in_every_length_of_texts(
    tmp_path: Path, parent: Ran
) -> None:
    """Without an epoch in between, what is read is what is written."""
    options = ("--framework=numpy", "--epochs=0", "--max_seq_len=8")
    same = train(tmp_path, *options, f"--model_path={parent.model}")
    assert all(
        np.array_equal(weights(same)[name], value) for name, value in weights(parent).items()
    )
    assert 0.25 < same.finals[0] < parent.finals[0]  # eight words tell less than whole texts


def test_no_word_has_no_vector(warm: Ran) -> None:
    assert not weights(warm)["vectors"][0].any()


@needs_torch
def test_pytorch_goes_on_from_the_file_of_numpy_to_the_same_model(
    tmp_path: Path, parent: Ran, warm: Ran
) -> None:
    options = ("--framework=torch", "--epochs=1", f"--model_path={parent.model}")
    ran = train(tmp_path, *GOOD, *options)
    assert ran.finals[0] == pytest.approx(warm.finals[0], abs=0.02)
    for name, value in weights(warm).items():
        np.testing.assert_allclose(weights(ran)[name], value, atol=0.02, err_msg=name)


def test_auto_takes_numpy_where_pytorch_is_missing(tmp_path: Path, parent: Ran, warm: Ran) -> None:
    options = ("--framework=auto", "--epochs=1", f"--model_path={parent.model}")
    ran = train(tmp_path, *GOOD, *options, PYTHONPATH=without_torch(tmp_path))
    assert ran.finals == warm.finals


def test_asking_for_a_missing_pytorch_says_so(tmp_path: Path) -> None:
    reports = tmp_path / "reports.jsonl"
    place = without_torch(tmp_path)
    done = call("--framework=torch", report_file=reports, PYTHONPATH=place)
    assert done.returncode == 1
    assert done.stderr.strip() == "--framework=torch needs PyTorch: pip install torch"
    assert not reports.exists()


def test_it_has_every_option_that_a_trial_passes(tmp_path: Path) -> None:
    usage = call("--help", report_file=tmp_path / "reports.jsonl").stdout
    names = [parameter.name for parameter in load_space(DEMO / "hparam.yaml")]
    extra = ["saved_params_dir", "model_path", "epochs", "max_seq_len"]
    assert all(f"--{name} " in usage for name in [*names, *extra])
