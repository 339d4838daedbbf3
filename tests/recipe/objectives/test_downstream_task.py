"""The objective that trains a classifier of labelled texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autofinetune.errors import UsageError
from autofinetune.recipe.objectives import Processed, Settings
from autofinetune.recipe.objectives.downstream_task import DownstreamTask

SEA = ["the boat left the harbour", "waves and salt water", "a ship on the sea", "sails and masts"]
SKY = ["a cloud above the hills", "birds fly in the wind", "stars and the moon", "sunny and blue"]


def processed(texts: list[str], labels: list[Any]) -> Processed:
    columns = {"text": texts, "label": labels}
    return Processed(Path("x"), columns.__getitem__, 9, len(texts))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "held_out.jsonl"
    rows = [("the ship left with the waves", "sea"), ("the moon and a cloud", "sky")]
    file.write_text("".join(json.dumps({"text": t, "label": k}) + "\n" for t, k in rows))
    return Settings(held_out=file)


def test_right_labels_score_more_than_wrong_ones(settings: Settings) -> None:
    DownstreamTask.check(settings)
    objective, labels = DownstreamTask(settings), ["sea"] * 4 + ["sky"] * 4
    assert objective.score(processed(SEA + SKY, labels)) == 1.0
    assert objective.score(processed(SKY + SEA, labels)) == 0.0
    assert objective.score(processed(SEA, ["sea"] * 4)) == 0.5  # it knows one label only
    assert objective.score(processed([], [])) == 0.0


def test_what_is_missing_is_said(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="held_out is missing"):
        DownstreamTask.check(Settings())
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(UsageError, match="has no samples"):
        DownstreamTask.check(Settings(held_out=tmp_path / "empty.jsonl"))
    no_label = Processed(Path("x"), {"text": SEA}.__getitem__, 9, 4)
    with pytest.raises(UsageError, match="no field 'label'"):
        DownstreamTask(settings).score(no_label)
