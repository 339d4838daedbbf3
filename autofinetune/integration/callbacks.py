"""`AutofinetuneCallback` of every library: its arguments, and how its class is made on first use.

Training scripts import this, so it loads only the standard library, and a library itself on use.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from autofinetune.errors import UsageError
from autofinetune.integration.library import load
from autofinetune.trial.reporter import FINALS, LAST, NamedReporter

NAME = "AutofinetuneCallback"


class Callback:
    """Reports a metric to autofinetune, and ends training when the trial should stop.

    Outside a run it does nothing. With `--metric` of the same name, this callback reports instead
    of the hook that looks for that metric; with another name, only the hook does.

    Args:
        metric: the name of the metric, as the library logs it.
        final: which of its values is the final result of the trial: `last`, or `best` by the
            direction of the run.

    Raises:
        UsageError: an argument is something else.
    """

    def __init__(self, metric: str, final: str = LAST) -> None:
        if not isinstance(metric, str) or not metric:
            raise UsageError(f"{NAME} needs the name of a metric as a string, not {metric!r}")
        if final not in FINALS:
            raise UsageError(f"{NAME}: final must be {' or '.join(FINALS)}, not {final!r}")
        super().__init__()
        self.reporter = NamedReporter(metric, final)


def lazy(module: str, base: str, least: str, *libraries: str, extra: str) -> Callable[[str], Any]:
    """Return `__getattr__` for a module that offers AutofinetuneCallback.

    Args:
        module: the name of that module; the adapter of the same name reports.
        base: the class of callbacks in the library; empty if there is none.
        least, libraries, extra: as for `load`.
    """

    def get(name: str) -> Any:
        if name != NAME:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        library = load(NAME, extra, least, *libraries)
        adapter = importlib.import_module(f"autofinetune.adapters.{extra}")
        bases = (Callback, adapter.Reports, attrgetter(base)(library) if base else object)
        kind = type(NAME, bases, {"__module__": module, "__doc__": Callback.__doc__})
        setattr(sys.modules[module], NAME, kind)  # the same class next time; pickle finds it, too
        return kind

    return get
