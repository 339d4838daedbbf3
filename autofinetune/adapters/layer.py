"""Installs the layer around train.py in this process, and sets up the tools in a trial."""

from __future__ import annotations

import importlib.machinery
import os
import sys

from autofinetune.adapters import HOOKS
from autofinetune.trial import directory, hooks
from autofinetune.trial.report import REPORT_FILE_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_STANDINS = os.path.join(_PACKAGE, "trial", "standins")
# Modules offered to a script whose Python does not have them installed.
OFFERED = ("nni", "t9k")


class _Standins:
    """Finds what no other finder found; it comes last."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in OFFERED:
            return None
        return importlib.machinery.PathFinder.find_spec(name, [_STANDINS])


def install() -> None:
    """Install the finders; they import nothing until a script does."""
    sys.meta_path.insert(0, hooks.Finder(HOOKS))
    sys.meta_path.append(_Standins())


def begin_trial() -> None:
    """Set up what differs between trials, before the first line of the script.

    The variables of modules imported earlier (by `--preload`) are set again.
    """
    if not os.environ.get(REPORT_FILE_VARIABLE):
        return
    directory.admit_makers()
    for name, hook in HOOKS.items():
        if name in sys.modules:
            hooks.before(hook)


def chain(own: ModuleType) -> None:
    """Load the machine's `sitecustomize`, which ours hides."""
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize")
    if spec is None or spec.loader is None or spec.origin == own.__file__:
        return
    # Debian has one, so this is in the way of each trial: importlib.util takes ten times as long.
    module = type(sys)("sitecustomize")
    module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, spec.origin
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)
