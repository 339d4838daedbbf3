"""Loads a library for the module that integrates it, or says how to install it."""

from __future__ import annotations

import importlib
import itertools
import sys
from typing import Any

from autofinetune.errors import EnvironmentProblem


class MissingLibrary(EnvironmentProblem, ImportError):
    """A library that is not installed or too old; an ImportError for scripts that catch that."""

    def __str__(self) -> str:
        return f"{self.message}: {self.tip}"


def load(what: str, extra: str, least: str, *modules: str) -> Any:
    """Return the first of `modules` that is loaded already, or else the first that is installed.

    Args:
        what: what needs the library, for the message.
        extra: the name after `autofinetune` in `pip install 'autofinetune[...]'`.
        least: the oldest version that works, such as `2.0`.
        modules: names of one library, such as `lightning.pytorch` and `pytorch_lightning`.

    Raises:
        MissingLibrary: none is installed, or its version is older than `least`.
    """
    loaded = [name for name in modules if name in sys.modules]
    for name in loaded or modules:
        package = name.partition(".")[0]
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in (name, package):
                raise  # something that the library itself needs
            continue
        found = str(sys.modules[package].__version__)
        if _numbers(found) >= _numbers(least):
            return module
        problem = f"{what} needs {package} {least} or later, and {found} is installed"
        raise MissingLibrary(problem, f"pip install --upgrade 'autofinetune[{extra}]'")
    problem = f"{what} needs the package {extra}, which is not installed"
    raise MissingLibrary(problem, f"pip install 'autofinetune[{extra}]'")


def _numbers(version: str) -> list[int]:
    """Return the leading numbers of a version: `2.14.0rc1` as [2, 14]."""
    return list(map(int, itertools.takewhile(str.isdecimal, version.split("."))))
