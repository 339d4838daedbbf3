"""Tune the hyperparameters of your own train.py: `import autofinetune as hub` in the script.

Importing this package loads the standard library only, so that a training script pays nothing
for it. The tuner itself is started by the command `autofinetune`.
"""

from __future__ import annotations

from autofinetune.trial.report import report_final_result, report_intermediate_result, should_stop

from .version import __version__

__all__ = ["__version__", "report_final_result", "report_intermediate_result", "should_stop"]


def __getattr__(name: str) -> object:
    """Return what PaddleHub has besides (`hub.Module`, `hub.dataset`), where it is installed."""
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
