"""Outputs of a run, one file each; `run/session.py` lists those that every run has."""

from __future__ import annotations

from autofinetune.config.config import Config
from autofinetune.plugins import PlugIns
from autofinetune.store.paths import RunPaths

from .base import Sink
from .best_model import BestModel
from .console import Console
from .guard import SinkGuard
from .keep_models import KeepModels
from .notify import Notify
from .tables import Tables
from .waits import Waits

# The sinks for `--log_to`, created from a Config and the RunPaths.
LOGS = PlugIns(
    "autofinetune.sinks",
    {
        "visualdl": "autofinetune.sinks.visualdl:VisualDL",
        "tensorboard": "autofinetune.sinks.tensorboard:TensorBoard",
        "mlflow": "autofinetune.sinks.mlflow:MLflow",
        "wandb": "autofinetune.sinks.wandb:WandB",
        "trackio": "autofinetune.sinks.trackio:Trackio",
    },
)


def log_sinks(config: Config, paths: RunPaths) -> list[Sink]:
    """Return the sinks for `--log_to`; those that need a library run in processes of their own."""
    made: list[Sink] = []
    for log in config.log_to:
        kind: type[Sink] = LOGS.load(log)
        if kind.library is None:
            made.append(kind(config, paths))  # type: ignore[call-arg]
        else:
            from .apart import Apart  # it needs subprocess, which few runs do here

            made.append(Apart(log, kind, paths))
    return made


def check_libraries(config: Config) -> None:
    """Raise EnvironmentProblem if a library that `--log_to` needs is missing or too old."""
    for log in config.log_to:
        library = LOGS.load(log).library
        if library is not None:
            library.check(f"--log_to={log}")


__all__ = [
    "LOGS",
    "BestModel",
    "Console",
    "KeepModels",
    "Notify",
    "Sink",
    "SinkGuard",
    "Tables",
    "Waits",
    "check_libraries",
    "log_sinks",
]
