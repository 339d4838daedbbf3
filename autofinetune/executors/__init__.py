"""Where attempts run. A new engine is a file in this folder and a line in `EXECUTORS`."""

from __future__ import annotations

from collections.abc import Mapping

from autofinetune.executors.devices.cards import CardProbe
from autofinetune.executors.devices.slots import THREAD_VARIABLES, Slot, Slots, find_slots
from autofinetune.executors.files.hand_over import with_layer
from autofinetune.executors.files.reports import MOST_REPORTS
from autofinetune.executors.local.ask_help import HelpText, ask_for_options
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.executors.local.forks import ForkServer, Imports, common_environment

from .base import (
    Attempt,
    Executor,
    ExitRecord,
    JobState,
    Key,
    Observation,
    Report,
)
from .memory import MemoryExecutor, Played

EXECUTORS: Mapping[str, type[Executor]] = {
    "local": LocalExecutor,
    "memory": MemoryExecutor,
}

__all__ = [
    "EXECUTORS",
    "MOST_REPORTS",
    "THREAD_VARIABLES",
    "Attempt",
    "CardProbe",
    "Executor",
    "ExitRecord",
    "ForkServer",
    "HelpText",
    "Imports",
    "JobState",
    "Key",
    "LocalExecutor",
    "MemoryExecutor",
    "Observation",
    "Played",
    "Report",
    "Slot",
    "Slots",
    "ask_for_options",
    "common_environment",
    "find_slots",
    "with_layer",
]
