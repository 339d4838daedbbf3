"""Where attempts run. To add an engine, add a folder here and a line in `EXECUTORS`."""

from __future__ import annotations

from autofinetune.config.config import engine_of
from autofinetune.executors.devices.slots import THREAD_VARIABLES, LocalSlot, Slots
from autofinetune.executors.files.hand_over import with_layer
from autofinetune.executors.files.reports import MOST_REPORTS
from autofinetune.executors.local.ask_help import HelpText, ask_for_options
from autofinetune.executors.local.forks import Imports
from autofinetune.plugins import PlugIns

from .base import Attempt, Executor, ExitRecord, JobState, Key, Observation, Report
from .engine import Engine

# Named, not imported: a run needs only one of them.
EXECUTORS = PlugIns(
    "autofinetune.executors",
    {
        "local": "autofinetune.executors.local.engine:LocalEngine",
        "slurm": "autofinetune.executors.slurm.engine:SlurmEngine",
        "ray": "autofinetune.executors.ray.engine:RayEngine",
        "ask": "autofinetune.executors.asked:AskedEngine",
    },
)


def engine_called(executor: str, gpu: str) -> Engine:
    """Return the engine of `--executor`, whose name an address may follow, or raise KeyError."""
    engine: Engine = EXECUTORS.load(engine_of(executor))(gpu)
    return engine


__all__ = [
    "EXECUTORS",
    "MOST_REPORTS",
    "THREAD_VARIABLES",
    "Attempt",
    "Engine",
    "Executor",
    "ExitRecord",
    "HelpText",
    "Imports",
    "JobState",
    "Key",
    "LocalSlot",
    "Observation",
    "Report",
    "Slots",
    "ask_for_options",
    "engine_called",
    "with_layer",
]
