"""Outputs of a run, one file each; `run/session.py` lists those that every run has."""

from __future__ import annotations

from autofinetune.plugins import PlugIns

from .base import Sink
from .best_model import BestModel
from .console import Console
from .guard import SinkGuard
from .keep_models import KeepModels
from .notify import Notify
from .tables import Tables
from .waits import Waits

# The sinks for `--log_to`, created from a Config and the RunPaths.
LOGS = PlugIns("autofinetune.sinks", {"visualdl": "autofinetune.sinks.visualdl:VisualDL"})

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
]
