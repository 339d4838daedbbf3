"""The optional packages of sinks: whether they are installed, without importing them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
from dataclasses import dataclass

from autofinetune.errors import EnvironmentProblem


@dataclass(frozen=True)
class Library:
    """A package by its name, with the oldest version that is supported, such as `2.14`.

    `install` is what `pip install` gets.
    """

    name: str
    least: str
    install: str

    def check(self, what: str) -> None:
        """Raise EnvironmentProblem if the package is missing or too old; `what` needs it."""
        try:
            found = importlib.metadata.version(self.name)
        except importlib.metadata.PackageNotFoundError:
            found = ""
        if not found or importlib.util.find_spec(self.name) is None:
            raise EnvironmentProblem(
                f"{what} needs the package {self.name}, which is not installed",
                f"pip install '{self.install}'",
            )
        if _numbers(found) < _numbers(self.least):
            raise EnvironmentProblem(
                f"{what} needs {self.name} {self.least} or later, and {found} is installed",
                f"pip install --upgrade '{self.install}'",
            )


def _numbers(version: str) -> list[int]:
    """Return the leading numbers of a version: `2.14.0rc1` as [2, 14]."""
    return list(map(int, itertools.takewhile(str.isdecimal, version.split("."))))
