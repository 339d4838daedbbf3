"""The shares of the data on which a trial is scored."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.assessors import create_assessor
from autofinetune.core.curves import Curves
from autofinetune.errors import UsageError
from autofinetune.recipe.fidelity import Ladder, ladder
from autofinetune.recipe.trial import step_of


def of(name: str, **options: str) -> dict[str, Any]:
    return {"assessor": name, "assessor_options": options, "direction": "maximize"}


def test_without_an_assessor_all_data_counts_once() -> None:
    assert ladder(None, {}) == Ladder((1.0,), 100)
    assert ladder("0.1,1", {"assessor": "none"}) == Ladder((0.1, 1.0), 100)
    assert ladder(None, of("medianstop")) == Ladder((0.01, 0.1, 1.0), 100)
    assert ladder("0.5,1", of("hyperband", max_steps="8")) == Ladder((0.5, 1.0), 8)


@pytest.mark.parametrize("name", ["unknown", "hyperband"])
def test_a_wrong_assessor_is_left_for_later(name: str) -> None:
    assert ladder(None, of(name, eta="few")) == Ladder()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hyperband", {"max_steps": "27", "s": "2", "eta": "3"}),  # of Data-Juicer's own sweep
        ("hyperband", {"max_iter": "81"}),
        ("asha", {"min_steps": "1", "eta": "3"}),
        ("asha", {"max_steps": "50"}),
    ],
)
def test_each_share_is_reported_at_a_rung(name: str, options: dict[str, str]) -> None:
    found = ladder(None, of(name, **options))
    steps = [step_of(float(f"{share:.6g}"), found.full) for share in found.shares]
    assert len(steps) > 2
    assert steps[-1] == found.full
    curves = Curves()
    curves.furthest = found.full
    assessor = create_assessor(name, "maximize", options)
    rungs = {rung for trial in range(500) for rung in assessor.rungs(trial, curves)}  # type: ignore[union-attr]
    assert rungs.issuperset(steps[:-1])
    assert all(rung > found.full / 2 for rung in rungs - set(steps))


@pytest.mark.parametrize("text", ["", "1,0.1", "0.1", "0,1", "0.1,0.1,1", "a,1"])
def test_shares_must_rise_to_one(text: str) -> None:
    with pytest.raises(UsageError, match="must be shares of the data that rise to 1"):
        ladder(text or ",", {})
