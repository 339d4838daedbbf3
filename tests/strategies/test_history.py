"""The assumed results of running trials."""

from __future__ import annotations

import numpy as np
import pytest

from autofinetune.strategies import Candidate
from autofinetune.strategies.history import History
from tests.helpers import conditional_space

SPACE = conditional_space()


def candidate(number: int, **params: object) -> Candidate:
    return Candidate(number, 0, number, (0.5,) * SPACE.dim, params)  # type: ignore[arg-type]


def history() -> History:
    made = History(SPACE)
    for number, merit in enumerate((1.0, 5.0, np.nan, 3.0)):
        made.add(candidate(number, optimizer="sgd", momentum=0.25, lr=0.1 * number), merit)
    return made


RUNNING = {9: candidate(9, optimizer="lamb", bias=1, lr=0.9)}


@pytest.mark.parametrize(
    ("kind", "mode", "lie"),
    [
        ("best", "maximize", 5.0), ("best", "minimize", 5.0),
        ("worst", "maximize", 1.0), ("mean", "minimize", 3.0),
        # min and max refer to scores as reported, which are minimised here.
        ("min", "minimize", 5.0), ("max", "minimize", 1.0),
        ("min", "maximize", 1.0), ("max", "maximize", 5.0),
    ],
)  # fmt: skip
def test_each_liar_has_its_lie(kind: str, mode: str, lie: float) -> None:
    options = {"constant_liar_type": kind, "optimize_mode": mode}
    seen = history().with_lies(RUNNING, options).of(5)
    assert seen.merits.tolist() == [1.0, 5.0, -np.inf, 3.0, lie]
    assert seen.coordinates[-1] == pytest.approx(0.9)


def test_without_a_lie_running_trials_are_left_out() -> None:
    options = {"constant_liar_type": "none", "optimize_mode": "maximize"}
    assert len(history().with_lies(RUNNING, options).of(5).merits) == 4
    assert len(History(SPACE).with_lies({}, options).of(0).trials) == 0


def test_before_the_first_result_all_lies_are_equal() -> None:
    options = {"constant_liar_type": "best", "optimize_mode": "maximize"}
    assert History(SPACE).with_lies(RUNNING, options).of(5).merits.tolist() == [0.0]


def test_a_parameter_has_the_trials_in_which_it_was_active() -> None:
    options = {"constant_liar_type": "worst", "optimize_mode": "maximize"}
    table = history().with_lies(RUNNING, options)
    assert table.of(1).trials.tolist() == [0, 1, 2, 3]  # momentum
    assert table.of(4).trials.tolist() == [4]  # bias
