"""Tune the hyperparameters of your own train.py: `import autofinetune as hub` in the script.

Importing this package loads only the standard library, so it costs a training script almost
nothing. The command `autofinetune` starts the tuner itself.
"""

from __future__ import annotations

from autofinetune.trial.report import report_final_result, report_intermediate_result, should_stop

from .version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from autofinetune.api import (
        Result,
        choice,
        integers,
        loguniform,
        open_run,
        put,
        tune,
        tune_async,
        uniform,
    )

__all__ = [
    "Result",
    "__version__",
    "choice",
    "integers",
    "loguniform",
    "open_run",
    "put",
    "report_final_result",
    "report_intermediate_result",
    "should_stop",
    "tune",
    "tune_async",
    "uniform",
]
_API = (
    "Result", "choice", "integers", "loguniform", "open_run", "put", "tune", "tune_async",
    "uniform",
)  # fmt: skip


def __getattr__(name: str) -> object:
    """Import lazily what needs the tuner, and pass other names on to PaddleHub.

    The latter are `hub.Module`, `hub.dataset` and so on, if PaddleHub is installed.
    """
    if name in _API:
        import importlib

        return getattr(importlib.import_module("autofinetune.api"), name)
    import os

    own = os.path.join(os.path.dirname(__file__), name)
    if not name.startswith("_") and not (os.path.isdir(own) or os.path.isfile(f"{own}.py")):
        try:
            import paddlehub
        except ImportError as error:
            if error.name != "paddlehub":
                raise
        else:
            return getattr(paddlehub, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
