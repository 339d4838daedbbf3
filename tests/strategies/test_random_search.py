"""Random draws."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest

from autofinetune.strategies import create_strategy
from tests.helpers import space_of


def test_draws_are_even_in_each_parameter() -> None:
    strategy = create_strategy("random", space_of("float", "log"), popsize=5, seed=3)
    points = np.array([c.point for c in strategy.ask(401)[1:]])
    assert all(kstest(points[:, axis], "uniform").pvalue > 0.01 for axis in range(2))
    assert abs(np.corrcoef(points.T)[0, 1]) < 0.15


def test_what_was_drawn_before_is_left_out_until_all_was() -> None:
    strategy = create_strategy("random", space_of("int"), popsize=5, seed=3)
    asked = [int(str(c.params["x0"])) for c in strategy.ask(1000)]
    assert sorted(asked) == list(range(1, 1001))
    half = np.array(asked[1:501], dtype=float)
    assert abs(half.mean() - 500.5) < 40


def test_lies_change_nothing_here() -> None:
    asked = []
    for kind in ("none", "min", "max"):
        options = {"constant_liar_type": kind}
        strategy = create_strategy("Random", space_of("float"), popsize=5, seed=3, options=options)
        first = strategy.ask(5)
        strategy.tell(first[0], 1.0)
        asked.append([*first, *strategy.ask(5)])
    assert asked[0] == asked[1] == asked[2]
