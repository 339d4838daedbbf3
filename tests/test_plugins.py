"""Plug-ins from other packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autofinetune.plugins import PlugIns
from tests.cli.conftest import HPARAM, TRAIN, Workplace

SETUP = """
[metadata]
name = somebodys
version = 1
[options]
py_modules = somebodys
[options.entry_points]
autofinetune.strategies =
    middle = somebodys:Middle
    random = somebodys:Middle
autofinetune.executors =
    loud = somebodys:LoudEngine
"""
MODULE = """
from autofinetune.executors.local.engine import LocalEngine
from autofinetune.strategies.turns import Turns

class Middle(Turns):
    "Everything in the middle of its range."
    begins_with_init = False

    def _point(self, round_, member, rng):
        return [0.5] * self.space.dim

    def _learn(self, candidate, merit):
        pass

class LoudEngine(LocalEngine):
    def opened(self, config, slots, imports, tell):
        tell("somebody's engine is at work")
        return super().opened(config, slots, imports, tell)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an installed third-party package."""
    source = tmp_path_factory.mktemp("source")
    (source / "setup.cfg").write_text(SETUP)
    (source / "setup.py").write_text("import setuptools; setuptools.setup()")
    (source / "somebodys.py").write_text(MODULE)
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--no-build-isolation", "--disable-pip-version-check", f"--target={target}", source],
        check=True, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
    )  # fmt: skip
    return target


@pytest.mark.long
def test_a_package_adds_a_strategy_and_an_executor(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "hparam.yaml").write_text(HPARAM)
    workplace = Workplace(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    inherited = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(installed), inherited])))
    done = workplace.tune(
        "--tuning_strategy=middle", "--executor=loud", "--popsize=1", "--round=1",
        "--evaluator=fulltrail",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "somebody's engine is at work" in done.out
    assert "units=34" in done.out
    known = workplace.run("strategies").out
    assert "middle" in known
    wrong = workplace.tune("--tuning_strategy=middl", out="other").err
    assert "did you mean 'middle'?" in wrong


def test_a_name_of_ours_is_not_replaced(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(installed))
    found = PlugIns("autofinetune.strategies", {"random": "a:B"})
    assert found["random"] == "a:B"
    assert found["middle"] == "somebodys:Middle"
    assert set(found) == {"random", "middle"}
    assert len(found) == 2
