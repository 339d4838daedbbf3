"""Loads a library for the module that integrates it, or says how to install it."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from autofinetune.errors import EnvironmentProblem
from autofinetune.library import lack_of


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
    install = f"autofinetune[{extra}]"
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
        if lack := lack_of(what, package, least, found, install):
            raise MissingLibrary(*lack)
        return module
    lack = lack_of(what, extra, least, "", install)
    assert lack is not None
    raise MissingLibrary(*lack)
