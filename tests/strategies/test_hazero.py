"""What HAZero adds to the package cma."""

from __future__ import annotations

import numpy as np
import pytest

from autofinetune.strategies.hazero import HAZero, _losses
from tests.helpers import space_of


def test_losses_are_ranks_with_ties_and_failures_last() -> None:
    assert _losses(np.array([0.3, np.nan, 0.9, 0.3])) == [1.0, 4.0, 0.0, 1.0]
    assert _losses(np.array([np.nan, np.nan])) is None


def updates(strategy: HAZero) -> int:
    """Return how many generations cma counts so far."""
    return int(strategy._evolution.countiter)


@pytest.mark.parametrize(("popsize", "generation"), [(1, 4), (2, 4), (3, 6), (4, 4), (5, 5)])
def test_a_generation_has_at_least_four_members(popsize: int, generation: int) -> None:
    strategy = HAZero(space_of("float", "float"), popsize, seed=0)
    design = 0
    while strategy._design.covers(strategy._number):
        for candidate in strategy.ask(popsize):
            strategy.tell(candidate, -sum(candidate.point))
        design += popsize
    assert 10 <= design < 10 + popsize
    for asked in range(1, 2 * generation + 1):
        for candidate in strategy.ask(1):
            strategy.tell(candidate, -sum(candidate.point))
        assert (
            strategy._evolution.countiter - 1
            <= asked // generation
            <= strategy._evolution.countiter
        )


@pytest.mark.parametrize("popsize", [1, 2])
def test_a_small_population_goes_on_without_a_surrogate(popsize: int) -> None:
    strategy = HAZero(space_of("float", "float"), popsize, seed=0, options={"surrogate": "off"})
    for _ in range(60):
        for candidate in strategy.ask(1):
            strategy.tell(candidate, -sum((u - 0.9) ** 2 for u in candidate.point))
    assert updates(strategy) > 8


def test_the_mean_moves_towards_the_better_half() -> None:
    strategy = HAZero(space_of("float", "float"), 8, seed=0)
    for _ in range(8):
        for candidate in strategy.ask(8):
            strategy.tell(candidate, -sum((u - 0.9) ** 2 for u in candidate.point))
    assert np.all(np.array(strategy._evolution.result.xfavorite) > 0.6)
