"""Libraries that are missing or too old, and what importing an integration loads."""

from __future__ import annotations

import subprocess
import sys

import numpy
import pytest

from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.integration.callbacks import Callback
from autofinetune.integration.library import MissingLibrary, load

MODULES = ("keras", "lightgbm", "lightning", "paddle", "transformers", "xgboost")


def test_a_missing_library_is_named_with_its_extra() -> None:
    with pytest.raises(ImportError) as found:
        load("It", "paper", "1.0", "no_such_library.part", "no_such_library")
    assert isinstance(found.value, EnvironmentProblem)
    assert str(found.value) == (
        "It needs the package paper, which is not installed: pip install 'autofinetune[paper]'"
    )


def test_an_old_library_is_named_with_both_versions() -> None:
    with pytest.raises(MissingLibrary) as found:
        load("It", "paper", "99.1", "no_such_library", "numpy")
    assert str(found.value) == (
        f"It needs numpy 99.1 or later, and {numpy.__version__} is installed: "
        "pip install --upgrade 'autofinetune[paper]'"
    )


def test_what_is_loaded_already_is_taken() -> None:
    assert load("It", "paper", "1.0", "tabnanny", "numpy") is numpy


@pytest.mark.parametrize("name", MODULES)
def test_importing_an_integration_loads_neither_the_library_nor_the_tuner(name: str) -> None:
    code = (
        f"import sys, autofinetune.integration.{name} as own; assert own.__all__\n"
        f"heavy = ['numpy', 'yaml', 'subprocess', 'autofinetune.config', {name!r}]\n"
        "print([module for module in heavy if module in sys.modules])\n"
        "assert not hasattr(own, 'AnotherName')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("",), "AutofinetuneCallback needs the name of a metric as a string, not ''"),
        ((3,), "AutofinetuneCallback needs the name of a metric as a string, not 3"),
        (("acc", "max"), "AutofinetuneCallback: final must be last or best, not 'max'"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as found:
        Callback(*arguments)
    assert found.value.message == message
