"""Weighted sums of objectives."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.errors import UsageError
from autofinetune.recipe.objectives import Processed, Settings
from autofinetune.recipe.objectives.synergy import Synergy


@pytest.mark.parametrize(
    ("text", "weights", "is_maximized"),
    [
        ("quality_score", {"quality_score": 1.0}, True),
        ("quality_score + 0.5*kept", {"quality_score": 1.0, "kept": 0.5}, True),
        ("model_loss - kept * .1", {"model_loss": 1.0, "kept": -0.1}, False),
        ("-model_loss+2e1*quality_score", {"model_loss": -1.0, "quality_score": 20.0}, True),
        ("kept", {"kept": 1.0}, True),
    ],
)
def test_a_sum_is_read(text: str, weights: dict[str, float], is_maximized: bool) -> None:
    found = Synergy.of(text)
    assert found.weights == weights
    assert found.is_maximized == is_maximized


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a sum"),
        ("2*", "not a sum"),
        ("quality_score kept", "not a sum"),
        ("2*kept*3", "not a sum"),
        ("quality_score + 3", "not a sum"),
        ("kept + kept", "kept twice"),
        ("quality", "did you mean 'quality_score'"),
        ("quality_score + model_loss", "one score is better when higher and another when lower"),
    ],
)
def test_what_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        Synergy.of(text)


def test_the_total_counts_the_share_that_is_kept(tmp_path: Path) -> None:
    synergy = Synergy.of("command - 0.5*kept")
    settings = Settings(command="echo 2; true")
    scores = synergy.scores(Processed(tmp_path / "x", lambda name: [], 8, 2), settings)
    assert scores == {"command": 2.0, "kept": 0.25}
    assert synergy.total(scores) == 2.0 - 0.5 * 0.25
