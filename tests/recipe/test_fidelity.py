"""The shares of the data on which a trial is scored."""

from __future__ import annotations

import pytest

from autofinetune.core.curves import Curves
from autofinetune.errors import UsageError
from autofinetune.recipe.fidelity import Ladder, ladder
from autofinetune.recipe.trial import step_of


def test_without_an_assessor_all_data_counts_once() -> None:
    assert ladder(None, "none", {}) == Ladder((1.0,), 100)
    assert ladder("0.1,1", "none", {}) == Ladder((0.1, 1.0), 100)
    assert ladder(None, "medianstop", {}) == Ladder((0.01, 0.1, 1.0), 100)


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
    from autofinetune.assessors import create_assessor

    found = ladder(None, name, options)
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
        ladder(text or ",", "none", {})
