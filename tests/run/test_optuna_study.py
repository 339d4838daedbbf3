"""Studies of Optuna as sources of trials, as far as they go without Optuna."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import autofinetune.integration.optuna as integration
from autofinetune.core.status import Direction
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.library import Library
from autofinetune.run.optuna_study import absolute, shown, split
from autofinetune.run.prior import read_study
from autofinetune.space import load_space
from tests.helpers import MIXED

is_missing = importlib.util.find_spec("optuna") is None
without_optuna = pytest.mark.skipif(not is_missing, reason="Optuna is installed")


def test_files_of_sqlite_are_relative_to_the_working_directory() -> None:
    folder = Path("/data")
    assert absolute("optuna:sqlite:///a.db#s", folder) == "optuna:sqlite:////data/a.db#s"
    assert absolute("optuna:sqlite:////b/a.db", folder) == "optuna:sqlite:////b/a.db"
    assert absolute("optuna:mysql://h/a#s", folder) == "optuna:mysql://h/a#s"


def test_urls_and_names() -> None:
    assert split("sqlite:///a.db#my study") == ("sqlite:///a.db", "my study")
    assert split("sqlite:///a.db") == ("sqlite:///a.db", "")
    assert shown("mysql://me:secret@host/a#s") == "mysql://me:***@host/a#s"
    with pytest.raises(UsageError, match="not the URL of a database"):
        split("study.db")


def test_nothing_heavy_is_imported_before_a_name_is_used() -> None:
    code = (
        "import autofinetune.integration.optuna, sys; print(*{'optuna', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == []


def test_an_unknown_name_is_no_matter_of_optuna() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Sampler'"):
        integration.__getattr__("Sampler")


def test_a_version_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # Stands for Optuna, of which no old version is installed.
    monkeypatch.setattr(integration, "OPTUNA", Library("pytest", "999", "autofinetune[optuna]"))
    with pytest.raises(EnvironmentProblem, match="needs pytest 999 or later, and"):
        integration.__getattr__("StrategySampler")


@without_optuna
def test_without_optuna_the_extra_is_named() -> None:
    for name in integration.__all__:
        with pytest.raises(EnvironmentProblem, match=f"{name} needs the package optuna") as caught:
            getattr(integration, name)
        assert caught.value.tip == "pip install 'autofinetune[optuna]'"
    with pytest.raises(EnvironmentProblem, match="needs the package optuna"):
        read_study("optuna:sqlite:///a.db#s", load_space(MIXED), Direction.MAXIMIZE)
