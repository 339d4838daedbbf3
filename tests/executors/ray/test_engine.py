"""What `--executor=ray` checks before anything starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autofinetune.config.placement import Placement
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.executors.ray.engine import RayEngine, amounts, most_of, shipment_of
from autofinetune.executors.ray.room import Share
from tests.helpers import config_of


def test_the_number_of_trials_is_limited() -> None:
    assert most_of(config_of(gpu="ray")) is None
    assert most_of(config_of(gpu="cpu:3")) == 3
    assert most_of(config_of(gpu="cpu:3", placement=Placement(max_parallel=2))) == 2


@pytest.mark.parametrize("text", ["0", "-1", "x", "nan", "inf"])
def test_an_amount_is_a_number_above_0(text: str) -> None:
    with pytest.raises(UsageError, match=r"a100=.* must be a number above 0"):
        amounts({"a100": text})


def test_cards_have_an_option_of_their_own() -> None:
    with pytest.raises(UsageError, match="neither CPU nor GPU"):
        amounts({"GPU": "1"})


def test_a_python_without_ray_is_told() -> None:
    config = config_of(gpu="ray", executor="ray", placement=Placement(ray_python=sys.executable))
    with RayEngine() as engine, pytest.raises(EnvironmentProblem, match="needs the package ray"):
        engine.slots(config)


def test_a_python_that_is_missing_is_told() -> None:
    config = config_of(gpu="ray", executor="ray", placement=Placement(ray_python="/no/python"))
    with RayEngine() as engine, pytest.raises(EnvironmentProblem, match="No such file") as caught:
        engine.slots(config)
    assert caught.value.exit_code == 4


def test_a_python_that_cannot_run_the_bridge_says_why(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'SyntaxError: too old' >&2\nexit 1\n")
    python.chmod(0o755)
    config = config_of(gpu="ray", executor="ray", placement=Placement(ray_python=str(python)))
    with RayEngine() as engine, pytest.raises(EnvironmentProblem, match="SyntaxError: too old"):
        engine.slots(config)


def test_a_script_that_would_not_be_sent_is_told(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    config = config_of(script="train.py", working_dir=str(tmp_path))
    found = shipment_of(config, Share({"GPU": 1, "a100": 2}))
    assert found.resources == {"num_gpus": 1, "num_cpus": 0, "resources": {"a100": 2}}
    assert "autofinetune/runner/main.py" in found.trees["package"]
    for name in "abcde":
        (tmp_path / f"{name}.bin").touch()
    (tmp_path / ".gitignore").write_text("*.bin\n")
    told: list[str] = []
    shipment_of(config, Share({}), told.append)
    assert "names it: a.bin, b.bin, c.bin, d.bin and 1 more; a line such as !a.bin" in told[0]
    (tmp_path / ".gitignore").write_text("train.py\n")
    with pytest.raises(EnvironmentProblem, match="not among the files that are sent"):
        shipment_of(config, Share({}))
