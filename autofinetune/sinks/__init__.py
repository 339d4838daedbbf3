"""Outputs of a run, one file each; `run/session.py` lists those that every run has."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from autofinetune.config.config import Config
from autofinetune.plugins import PlugIns
from autofinetune.store import credentials, remote
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
        "t9k": "autofinetune.sinks.t9k:T9k",
    },
)


def log_sinks(config: Config, paths: RunPaths) -> list[Sink]:
    """Return the sinks for `--log_to`; those that need a library run in processes of their own."""
    made: list[Sink] = []
    for log in _logs(config):
        kind: type[Sink] = LOGS.load(log)
        if kind.library is None:
            made.append(kind(config, paths))  # type: ignore[call-arg]
        else:
            from .apart import Apart  # it needs subprocess, which few runs do here

            given = {"store": config.store, "secrets": config.secrets}
            made.append(Apart(log, kind, paths, given=given))
    return made


def _logs(config: Config) -> tuple[str, ...]:
    """Return the names of the sinks for `--log_to`, and that of a folder of AIStore."""
    has_folder = remote.scheme_of(config.store) == remote.AISTORE and _has_sdk()
    return tuple(dict.fromkeys((*config.log_to, *(("t9k",) if has_folder else ()))))


def _has_sdk() -> bool:
    return importlib.util.find_spec("t9k") is not None


def store_sinks(config: Config, paths: RunPaths, warn: Callable[[str], None]) -> list[Sink]:
    """Return the sinks for `--store`, which come last: they need what the others write."""
    if not config.store:
        return []
    if remote.scheme_of(config.store) != remote.AISTORE:
        from .store import Store

        return [Store(config, paths, warn)]
    from .t9k import WithoutSDK

    return [] if _has_sdk() else [WithoutSDK(config, paths, warn)]


def check_libraries(config: Config) -> None:
    """Raise EnvironmentProblem if a library that the sinks need is missing or too old.

    Raise UsageError if `--secrets` cannot be read.
    """
    credentials.read_secrets(config.secrets)
    if config.store and remote.scheme_of(config.store) != remote.AISTORE:
        remote.check_libraries(config.store)
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
    "store_sinks",
]
