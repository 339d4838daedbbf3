"""The parts of PSHE2 that its docstring states."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autofinetune.strategies.pshe2 import PSHE2, reflect
from tests.helpers import space_of


@given(st.floats(-50, 50), st.floats(-5, 5))
def test_reflection_stays_inside_and_keeps_the_size_of_the_momentum(q: float, p: float) -> None:
    inside, turned = reflect(np.array([[q]]), np.array([[p]]))
    assert 0.0 <= inside[0, 0] <= 1.0
    assert abs(turned[0, 0]) == abs(p)


def test_reflection_turns_the_momentum_at_each_wall() -> None:
    q = np.array([[0.4, 1.25, -0.25, 2.25]])
    inside, turned = reflect(q, np.ones((1, 4)))
    assert inside.tolist() == [[0.4, 0.75, 0.25, 0.25]]
    assert turned.tolist() == [[1.0, -1.0, -1.0, 1.0]]


def test_the_first_round_spreads_every_coordinate_over_the_members() -> None:
    strategy = PSHE2(space_of("float", "float"), 8, seed=4)
    points = np.array([c.point for c in strategy.ask(8)])[1:]  # the first one is the init
    cells = np.floor(points * 8).astype(int)
    assert all(len(set(column)) == 7 for column in cells.T)


def test_members_keep_momenta_of_their_own() -> None:
    strategy = PSHE2(space_of("float", "float"), 4, seed=1)
    for _ in range(3):
        for candidate in strategy.ask(4):
            strategy.tell(candidate, -sum((u - 0.1) ** 2 for u in candidate.point))
    assert len(np.unique(strategy._p, axis=0)) == 4
