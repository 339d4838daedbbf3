"""Optional packages: whether they are installed, without importing them, and what to say."""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import dataclass

from autofinetune.errors import EnvironmentProblem


@dataclass(frozen=True)
class Library:
    """A package by its name, with the oldest version that is supported, such as `2.14`.

    `install` is what `pip install` gets. `module` is what is imported, if it has another name.
    Without a version, any that can be imported will do.
    """

    name: str
    least: str
    install: str
    module: str = ""

    def check(self, what: str) -> None:
        """Raise EnvironmentProblem if the package is missing or too old; `what` needs it."""
        if lack := self.lack(what):
            raise EnvironmentProblem(*lack)

    def lack(self, what: str) -> tuple[str, str] | None:
        """Return the problem and the tip if the package is missing or too old, else None."""
        from importlib import metadata  # on use: training scripts load this module, too

        try:
            found = metadata.version(self.name) if self.least else "any"
        except metadata.PackageNotFoundError:
            found = ""
        if importlib.util.find_spec(self.module or self.name) is None:
            found = ""
        return lack_of(what, self.name, self.least, found, self.install)


def lack_of(
    what: str, package: str, least: str, found: str, install: str
) -> tuple[str, str] | None:
    """Return the problem and the tip if a package is missing or too old, else None.

    `found` is its version, empty if it is not installed; the others are as in `Library`.
    """
    if not found:
        return (
            f"{what} needs the package {package}, which is not installed",
            f"pip install '{install}'",
        )
    if _numbers(found) < _numbers(least):
        problem = f"{what} needs {package} {least} or later, and {found} is installed"
        return problem, f"pip install --upgrade '{install}'"
    return None


def _numbers(version: str) -> list[int]:
    """Return the leading numbers of a version: `2.14.0rc1` as [2, 14]."""
    return list(map(int, itertools.takewhile(str.isdecimal, version.split("."))))
