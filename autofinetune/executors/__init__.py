"""Where attempts run. A new engine is a file in this folder and a line in `EXECUTORS`."""

from __future__ import annotations

from collections.abc import Mapping

from .base import (
    Attempt,
    Executor,
    ExitRecord,
    JobState,
    Key,
    Observation,
    Report,
)
from .cards import CardProbe
from .forks import ForkServer, Imports, common_environment
from .local import LocalExecutor
from .memory import MemoryExecutor, Played
from .preflight import HelpText, ask_for_options
from .reports import MOST_REPORTS
from .slots import THREAD_VARIABLES, Slot, Slots, find_slots

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
]
