"""What the options of the GP and Metis tuners do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autofinetune.strategies import Candidate, Strategy, create_strategy
from autofinetune.strategies.metis import RESAMPLE_FROM, Metis
from tests.helpers import space_of

SMALL = {"cold_start_num": 5, "selection_num_warm_up": 300, "selection_num_starting_points": 4}


def played(name: str, rounds: int, **options: object) -> list[Candidate]:
    """Every candidate of a search for (0.3, 0.3)."""
    small = {**SMALL, **options}
    if name.lower().startswith("metis"):
        del small["selection_num_warm_up"]
    strategy = create_strategy(name, space_of("float", "float"), popsize=3, seed=2, options=small)
    asked: list[Candidate] = []
    for _ in range(rounds):
        for candidate in strategy.ask(3):
            asked.append(candidate)
            strategy.tell(candidate, -sum((u - 0.3) ** 2 for u in candidate.point))
    return asked


def distance(asked: list[Candidate]) -> float:
    """Return the mean distance of the last dozen candidates from the optimum."""
    points = np.array([candidate.point for candidate in asked[-12:]])
    return float(np.abs(points - 0.3).mean())


@pytest.mark.slow
@pytest.mark.parametrize("utility", ["ei", "UCB", "poi"])
@pytest.mark.parametrize("nu", [0.5, 1.5, 2.5])
def test_every_utility_and_kernel_finds_the_optimum(utility: str, nu: float) -> None:
    asked = played("GPTuner", 10, utility=utility, nu=nu, kappa=0.5, xi=0.1)
    losses = [sum((u - 0.3) ** 2 for u in candidate.point) for candidate in asked]
    assert min(losses) < 0.003


@pytest.mark.slow
def test_a_large_kappa_or_xi_looks_further_away() -> None:
    assert distance(played("gp", 9, utility="ucb", kappa=50)) > 2 * distance(
        played("gp", 9, utility="ucb", kappa=0.1)
    )
    assert distance(played("gp", 9, xi=5)) > 2 * distance(played("gp", 9))
    assert distance(played("gp", 9, utility="poi", xi=5)) > distance(
        played("gp", 9, utility="poi", xi=0.01)
    )


@pytest.mark.parametrize("name", ["gp", "metis"])
def test_so_many_trials_are_random_first(name: str) -> None:
    long, short = played(name, 5, cold_start_num=9), played(name, 5, cold_start_num=6)
    assert long[:6] == short[:6]
    assert long[6:9] != short[6:9]
    random = create_strategy("random", space_of("float", "float"), popsize=3, seed=2).ask(9)
    assert [c.params for c in long[:9]] == [c.params for c in random]


def test_the_noise_that_is_expected_changes_the_search() -> None:
    assert played("gp", 4, alpha=1e-6) != played("gp", 4, alpha=1.0)
    assert played("gp", 4) != played("gp", 4, selection_num_warm_up=20)
    assert played("gp", 4) != played("gp", 4, selection_num_starting_points=1)


def test_metis_without_candidates_goes_to_the_expected_optimum() -> None:
    still, curious = (
        played("MetisTuner", 9, **options)
        for options in ({"no_candidates": True}, {"exploration_probability": 1.0})
    )
    assert distance(still) < 0.1 < distance(curious)
    assert distance(played("metis", 9, exploration_probability=0.0)) < distance(curious)


def test_metis_looks_from_as_many_places_as_it_is_told() -> None:
    """A single start may end on a lower hill."""
    few, many = (played("metis", 4, selection_num_starting_points=number) for number in (1, 60))
    assert few[:5] == many[:5]
    assert few != many


def noisy(no_resampling: bool) -> tuple[Strategy, list[Candidate]]:
    """A smooth score, except for a few trials with wrong results."""
    options = {"no_resampling": no_resampling, "exploration_probability": 1.0,
               "selection_num_starting_points": 60, "cold_start_num": RESAMPLE_FROM}  # fmt: skip
    strategy = create_strategy("metis", space_of("float"), popsize=5, seed=0, options=options)
    asked = []
    for _ in range(13):
        for candidate in strategy.ask(5):
            asked.append(candidate)
            strange = 3.0 if candidate.id in (20, 33) else 0.0
            strategy.tell(candidate, math.sin(5 * candidate.point[0]) + strange)
    return strategy, asked


def test_metis_runs_a_doubtful_trial_once_more_if_it_may() -> None:
    strategy, asked = noisy(no_resampling=False)
    assert isinstance(strategy, Metis)
    points = [candidate.point for candidate in asked]
    repeated = {point for point in points if points.count(point) > 1}
    assert repeated <= {points[20], points[33]}
    assert repeated
    assert max(points.count(point) for point in points) == 2
    _, never = noisy(no_resampling=True)
    assert len({candidate.point for candidate in never}) == len(never)
