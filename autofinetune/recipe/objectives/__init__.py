"""Objectives of a search over recipes: each scores processed data.

A new one is a file in this folder and a line in `OBJECTIVES`.
"""

from __future__ import annotations

from autofinetune.plugins import PlugIns

from .base import Objective, Processed, Settings

# Named, not imported, so that numpy and torch are loaded only where they are needed.
OBJECTIVES = PlugIns("autofinetune.objectives", {
    "quality_score": "autofinetune.recipe.objectives.quality_score:QualityScore",
    "model_loss": "autofinetune.recipe.objectives.model_loss:ModelLoss",
    "downstream_task": "autofinetune.recipe.objectives.downstream_task:DownstreamTask",
    "command": "autofinetune.recipe.objectives.command:Command",
})  # fmt: skip

__all__ = ["OBJECTIVES", "Objective", "Processed", "Settings"]
