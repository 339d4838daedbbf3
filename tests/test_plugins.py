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
autofinetune.sinks =
    tally = somebodys:Tally
autofinetune.manifests =
    somebodys list = somebodys:LIST
"""
MODULE = """
from autofinetune.core.events import TrialEnded
from autofinetune.executors.local.engine import LocalEngine
from autofinetune.manifests.format import Format
from autofinetune.manifests.reader import Section
from autofinetune.sinks import Sink
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

class Tally(Sink):
    "A file with a line for each trial."
    def __init__(self, config, paths):
        self._file = paths.at / "tally"

    def handle(self, event, state):
        if isinstance(event, TrialEnded):
            with self._file.open("a") as file:
                print(event.trial, event.score, file=file)

def read(file):
    top = Section(file, file.document.value, ())
    top.take("list")
    units = {"name": "units", "type": "int", "init_value": 8, "greater_than": 4, "lower_than": 64}
    return {"script": top.take("program"), "max_trials": 2, "evaluator": "fulltrail",
            "param_list": [{"name": "lr", "type": "constant", "value": 0.5}, units]}

LIST = Format(lambda top: top.get("list") == "somebodys", read)
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


@pytest.fixture
def workplace(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "hparam.yaml").write_text(HPARAM)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    inherited = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(installed), inherited])))
    return Workplace(tmp_path)


@pytest.mark.long
def test_a_package_adds_a_strategy_an_executor_and_a_sink(workplace: Workplace) -> None:
    done = workplace.tune(
        "--tuning_strategy=middle", "--executor=loud", "--log_to=visualdl,tally", "--popsize=1",
        "--round=1", "--evaluator=fulltrail",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "somebody's engine is at work" in done.out
    assert "units=34" in done.out
    ((trial, score),) = [line.split() for line in tally(workplace)]
    assert trial == "0"
    (workplace.root / "result" / "tally").unlink()
    assert workplace.run("rebuild", "result").code == 0
    assert tally(workplace) == [f"{trial} {score}"]
    known = workplace.run("strategies").out
    assert "middle" in known
    wrong = workplace.tune("--tuning_strategy=middl", "--log_to=tale", out="other").err
    assert "did you mean 'middle'?" in wrong
    assert "--log_to=tale is unknown; use one of: mlflow, none, t9k, tally, tensorboard" in wrong


@pytest.mark.long
def test_a_package_adds_a_format_of_manifests(workplace: Workplace) -> None:
    (workplace.root / "list.yaml").write_text("list: somebodys\nprogram: train.py\n")
    done = workplace.run("run", "list.yaml", "--gpu=cpu", "--output_dir=result")
    assert done.code == 0, done.err
    assert len(workplace.ledger("end")) == 2
    (workplace.root / "list.yaml").write_text("list: nobodys\nprogram: train.py\n")
    unknown = workplace.run("run", "list.yaml", "--gpu=cpu")
    assert unknown.code == 2
    assert "somebodys list" in unknown.err


def tally(workplace: Workplace) -> list[str]:
    return (workplace.root / "result" / "tally").read_text().splitlines()


def test_a_name_of_ours_is_not_replaced(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(installed))
    found = PlugIns("autofinetune.strategies", {"random": "a:B"})
    assert found["random"] == "a:B"
    assert found["middle"] == "somebodys:Middle"
    assert set(found) == {"random", "middle"}
    assert len(found) == 2
