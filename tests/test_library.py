"""Optional packages of sinks."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

from autofinetune.errors import EnvironmentProblem
from autofinetune.library import Library
from autofinetune.sinks import LOGS

OWN = ["mlflow", "tensorboard", "trackio", "wandb"]


def test_an_installed_package_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "selenium", raising=False)
    Library("selenium", "4.0", "selenium").check("--log_to=paper")
    assert "selenium" not in sys.modules


def test_a_missing_package() -> None:
    with pytest.raises(EnvironmentProblem) as found:
        Library("no_such_package", "1.0", "autofinetune[paper]").check("--log_to=paper")
    assert found.value.message == (
        "--log_to=paper needs the package no_such_package, which is not installed"
    )
    assert found.value.tip == "pip install 'autofinetune[paper]'"
    assert found.value.exit_code == 4


def test_an_old_package() -> None:
    version = importlib.metadata.version("pytest")
    major = int(version.partition(".")[0])
    Library("pytest", version, "").check("it")
    Library("pytest", f"{major}.0", "").check("it")
    with pytest.raises(EnvironmentProblem) as found:
        Library("pytest", f"{major}.{999}", "autofinetune[paper]").check("--log_to=paper")
    assert found.value.message == (
        f"--log_to=paper needs pytest {major}.999 or later, and {version} is installed"
    )
    assert found.value.tip == "pip install --upgrade 'autofinetune[paper]'"


@pytest.mark.parametrize("log", OWN)
def test_the_extras_are_what_the_sinks_need(log: str) -> None:
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parent.parent / "setup.cfg")
    library = LOGS.load(log).library
    extra = setup["options.extras_require"][log].split()
    assert f"{library.name}>={library.least}" in extra
    assert re.fullmatch(r"autofinetune\[(\w+)\]", library.install)[1] == log  # type: ignore[index]
