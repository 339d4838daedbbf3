"""scikit-learn: `from autofinetune.integration.sklearn import AutofinetuneSearchCV`."""

from __future__ import annotations

import importlib
import itertools
from typing import TYPE_CHECKING, Any

from autofinetune.errors import EnvironmentProblem

if TYPE_CHECKING:
    from .search import AutofinetuneSearchCV

__all__ = ["AutofinetuneSearchCV"]
LEAST = {"sklearn": "1.4", "joblib": "1.4"}


class MissingLibrary(EnvironmentProblem, ImportError):
    """A library that is not installed or too old; an ImportError for scripts that catch that."""

    def __str__(self) -> str:
        return f"{self.message}: {self.tip}"


def __getattr__(name: str) -> Any:
    if name != "AutofinetuneSearchCV":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _check()
    from .search import AutofinetuneSearchCV

    return AutofinetuneSearchCV


def _check() -> None:
    """Raise MissingLibrary unless scikit-learn and joblib are installed and new enough."""
    for name, least in LEAST.items():
        shown = name.replace("sklearn", "scikit-learn")
        try:
            found = importlib.import_module(name).__version__
        except ModuleNotFoundError as error:
            if error.name != name:
                raise  # something that the library itself needs
            problem = f"AutofinetuneSearchCV needs the package {shown}, which is not installed"
            raise MissingLibrary(problem, "pip install 'autofinetune[sklearn]'") from None
        if _numbers(found) < _numbers(least):
            problem = f"needs {shown} {least} or later, and {found} is installed"
            tip = "pip install --upgrade 'autofinetune[sklearn]'"
            raise MissingLibrary(f"AutofinetuneSearchCV {problem}", tip)


def _numbers(version: str) -> list[int]:
    """Return the leading numbers of a version: `1.4.1rc1` as [1, 4]."""
    return list(map(int, itertools.takewhile(str.isdecimal, version.split("."))))
