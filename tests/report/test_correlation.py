"""Rank correlation of hyperparameters with the score."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from autofinetune.report.content import content_of
from autofinetune.report.correlation import correlations
from autofinetune.report.history import read_history
from autofinetune.run.directories import existing_run
from autofinetune.space import load_space
from tests.report.made import make_run

SPACE = load_space({
    "param_list": [
        {"name": "low", "type": "int", "init_value": 1, "greater_than": 0, "lower_than": 9},
        {"name": "length", "type": "choice", "choices": [2, 16, 4]},
        {"name": "word", "type": "choice", "choices": ["a", "b"]},
        {"name": "rare", "type": "float", "init_value": 0.5, "greater_than": 0, "lower_than": 1,
         "only_if": {"word": "b"}},
    ]
})  # fmt: skip
LOW, LENGTH, SCORES = [3, 1, 1, 7, 9, 2], [2, 16, 4, 4, 16, 2], [0.4, 0.9, 0.8, 0.3, 0.1, 0.4]


def params(*rare: float) -> list[dict[str, object]]:
    found = [{"low": a, "length": b, "word": "b"} for a, b in zip(LOW, LENGTH, strict=True)]
    for one, value in zip(found, rare, strict=False):
        one["rare"] = value
    return found


def test_it_is_spearmans_and_only_where_there_is_an_order() -> None:
    low, length, word, rare = correlations(SPACE, params(0.1, 0.2, 0.3), SCORES)  # type: ignore[arg-type]
    assert low == pytest.approx(spearmanr(LOW, SCORES).statistic)
    assert low is not None and low < -0.9
    assert length == pytest.approx(spearmanr(LENGTH, SCORES).statistic)  # by value, not by place
    assert (word, rare) == (None, None)


def test_equal_values_have_none() -> None:
    assert correlations(SPACE, params(*[0.5] * 6), SCORES)[3] is None  # type: ignore[arg-type]
    assert correlations(SPACE, params(), [1.0] * 6)[0] is None  # type: ignore[arg-type]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_sign_is_that_of_the_score_as_reported(tmp_path: Path, direction: str) -> None:
    run = make_run(tmp_path / "run", 30, direction=direction, score=lambda p: float(p["lr"]))  # type: ignore[arg-type]
    with existing_run(run) as paths:
        content = content_of(read_history(paths), run / "report.html")
    found = json.loads(json.dumps(content["surrogate"]))["correlation"]
    assert found[0] > 0.5
    assert found[2] is None
