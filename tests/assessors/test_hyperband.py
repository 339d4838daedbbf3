"""Hyperband: trials go to brackets of rungs in turn."""

from __future__ import annotations

from collections import Counter

import pytest

from autofinetune.assessors import create_assessor
from autofinetune.assessors.hyperband import Hyperband
from autofinetune.core.curves import Curves

from .helpers import add


def hyperband(**options: object) -> Hyperband:
    made = create_assessor("hyperband", "maximize", options)
    assert isinstance(made, Hyperband)
    return made


def test_one_bracket_of_two_rungs() -> None:
    assert list(hyperband(max_iter=27, s=2, eta=3).rungs(0, Curves())) == [3, 9]
    assert list(hyperband(max_iter=20, s=5, eta=3).rungs(0, Curves())) == [2, 6]


def test_brackets_get_the_trials_of_the_paper_in_turn() -> None:
    """Table 1 of Li et al., 2018: R = 81, eta = 3 begins with 81, 34, 15, 8 and 5 trials."""
    assessor = hyperband(max_steps=81, eta=3)
    turns = [assessor.bracket(trial) for trial in range(143)]
    assert Counter(turns) == {4: 81, 3: 34, 2: 15, 1: 8, 0: 5}
    assert turns == sorted(turns, reverse=True)
    assert assessor.bracket(143) == 4
    firsts = [next(iter(assessor.rungs(turns.index(s), Curves())), None) for s in (4, 3, 2, 1, 0)]
    assert firsts == [1, 3, 9, 27, None]


@pytest.mark.parametrize(("trial", "stops"), [(1, True), (10, False)])
def test_trials_are_compared_within_their_bracket(trial: int, stops: bool) -> None:
    assessor = hyperband(
        max_steps=9, eta=3
    )  # nine trials of bracket 2, five of bracket 1, three of 0
    curves = Curves()
    add(curves, 0, [0.9, 0.9, 0.9])
    curve = add(curves, trial, [0.1])
    assert bool(assessor.assess(curve, curves)) == stops
