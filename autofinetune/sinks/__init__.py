"""Outputs of a run. A new sink is a file in this folder and a line in `SINKS`.

Other packages can add sinks for `--log_to`; these are created from a Config and the RunPaths.
"""

from __future__ import annotations

from collections.abc import Mapping

from autofinetune.plugins import PlugIns

from .base import Sink
from .best_model import BestModel
from .console import Console
from .guard import SinkGuard
from .keep_models import KeepModels
from .tables import Tables
from .visualdl import VisualDL

SINKS: Mapping[str, type[Sink]] = {
    "tables": Tables,
    "best_model": BestModel,
    "keep_models": KeepModels,
    "visualdl": VisualDL,
    "console": Console,
}

# Named, not imported: a run needs few of them.
LOGS = PlugIns("autofinetune.sinks", {"visualdl": "autofinetune.sinks.visualdl:VisualDL"})

__all__ = [
    "LOGS",
    "SINKS",
    "BestModel",
    "Console",
    "KeepModels",
    "Sink",
    "SinkGuard",
    "Tables",
    "VisualDL",
]
