"""Each demo for a library runs on its own and saves a model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration import WITH_LIBRARIES

if not os.environ.get(WITH_LIBRARIES):
    pytest.skip("needs many libraries: make test-integrations", allow_module_level=True)

ROOT = Path(__file__).parents[2]
MODELS = {
    "keras": "digits.keras",
    "lightgbm": "model.txt",
    "lightning": "digits.ckpt",
    "paddle": "digits.pdparams",
    "transformers": "model.safetensors",
    "xgboost": "model.json",
}


def run(name: str, directory: Path, *words: str) -> str:
    env = {n: v for n, v in os.environ.items() if not n.startswith("AUTOFINETUNE_")}
    directory.mkdir()
    command = [sys.executable, str(ROOT / f"demo/{name}/train.py"), *words]
    if name not in ("lightgbm", "xgboost"):
        command.append("--epochs=1")
    done = subprocess.run(
        [*command, f"--saved_params_dir={directory}"],
        env={**env, "PYTHONPATH": str(ROOT)}, cwd=directory.parent, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert (directory / MODELS[name]).is_file()
    assert {path.name for path in directory.parent.iterdir()} <= {"first", "second"}
    return done.stdout


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"paddle"}))
def test_a_demo(name: str, tmp_path: Path) -> None:
    run(name, tmp_path / "first")


def test_the_demo_of_paddle_continues_a_model(tmp_path: Path) -> None:
    first = accuracy(run("paddle", tmp_path / "first", "--learning_rate=0.05"))
    rate = ("--learning_rate=0.000001",)  # changes nothing
    second = run("paddle", tmp_path / "second", f"--model_path={tmp_path / 'first'}", *rate)
    assert accuracy(second) == pytest.approx(first, abs=0.01)
    assert first > 0.3  # a network that has learned nothing: 0.1


def accuracy(output: str) -> float:
    """The accuracy that `fit` printed last."""
    return float(output.rpartition("acc: ")[2].split()[0])
