"""The statements in the docstring of PSHE2."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autofinetune.strategies.design import reflect
from autofinetune.strategies.pshe2 import PSHE2
from tests.helpers import space_of


@given(st.floats(-50, 50))
def test_reflection_stays_inside(q: float) -> None:
    assert 0.0 <= reflect(np.array([[q]]))[0, 0] <= 1.0


def test_reflection_mirrors_at_each_wall() -> None:
    q = np.array([[0.4, 1.25, -0.25, 2.25]])
    assert reflect(q).tolist() == [[0.4, 0.75, 0.25, 0.25]]


def test_members_keep_momenta_of_their_own() -> None:
    strategy = PSHE2(space_of("float", "float"), 4, seed=1)
    for _ in range(6):
        for candidate in strategy.ask(4):
            strategy.tell(candidate, -sum((u - 0.1) ** 2 for u in candidate.point))
    assert len(np.unique(strategy._p, axis=0)) == 4


def test_the_member_that_polishes_follows_the_learned_potential() -> None:
    strategy = PSHE2(space_of("float", "float", "float"), 5, seed=2)
    points = []
    for _ in range(8):
        for candidate in strategy.ask(5):
            strategy.tell(candidate, -sum((u - 0.7) ** 2 for u in candidate.point))
            points.append(candidate.point)
    late = np.abs(np.array(points[::5][-4:]) - 0.7).max(axis=1)
    assert np.median(late) < 0.05


def test_members_are_of_different_temper_and_take_turns_when_few() -> None:
    many, few = (PSHE2(space_of("float", "float"), popsize, seed=2) for popsize in (7, 2))
    demands = []
    for _ in range(7):
        demands.append(many._demand)
        many.ask(1)
    assert demands[0] == 0.0
    assert demands == sorted(set(demands))
    seen = set()
    for _ in range(10):
        seen.add(few._demand)
        few.ask(1)
    assert len(seen) == 5
