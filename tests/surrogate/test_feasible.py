"""Where trials fail, and that the screen keeps away from there."""

from __future__ import annotations

import numpy as np
import pytest

from autofinetune.space import load_space
from autofinetune.surrogate import CurveScreen, Screen
from autofinetune.surrogate.feasible import CAUTION, Feasible

LENGTHS = np.full(2, 2.0)
SPACE = load_space(
    {
        "param_list": [
            {"name": name, "type": "float", "init_value": 0.5, "greater_than": 0, "lower_than": 1}
            for name in "ab"
        ]
    }
)


def test_what_needs_more_than_trials_that_failed_is_expected_to_fail() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((30, 2)) * [0.6, 1.0]  # no trial needed more than 0.6
    found = Feasible(x, x[:, 0] > 0.4, LENGTHS)
    points = np.array([[0.2, 0.5], [0.5, 0.5], [1.0, 0.5]])
    within, near, beyond = np.exp(found.utility(points) / CAUTION)
    assert within > 0.75 > 0.5 > near
    assert beyond < 0.1


def test_failures_by_chance_keep_nothing_away() -> None:
    rng = np.random.default_rng(1)
    x, failed = rng.random((60, 2)), rng.random(60) < 0.1
    assert failed.any()
    assert np.ptp(Feasible(x, failed, LENGTHS).utility(rng.random((50, 2)))) < 0.6


@pytest.mark.parametrize("failed", [True, False])
def test_trials_that_all_ended_alike_say_more_of_their_neighbours(failed: bool) -> None:
    x = np.random.default_rng(2).random((10, 2)) * 0.2
    found = Feasible(x, np.full(10, failed), LENGTHS)
    here, there = found.utility(np.array([[0.1, 0.1], [1.0, 1.0]]))
    assert (here < there) == failed


def test_the_gradient_is_that_of_the_utility() -> None:
    rng = np.random.default_rng(3)
    x, points, step = rng.random((20, 2)), rng.random((5, 2)), 1e-5
    found = Feasible(x, x.sum(1) > 1.0, LENGTHS)
    value, slope = found.slope(points)
    np.testing.assert_allclose(value, found.utility(points))
    for axis in range(2):
        move = step * np.eye(2)[axis]
        change = found.utility(points + move) - found.utility(points - move)
        np.testing.assert_allclose(slope[:, axis], change / (2.0 * step), rtol=1e-4, atol=1e-6)


def _told(screen: Screen, merits: np.ndarray, points: np.ndarray) -> Screen:
    screen.add(points, merits)
    screen.begin()
    return screen


@pytest.mark.parametrize("kind", [Screen, CurveScreen])
def test_a_screen_keeps_to_where_trials_succeed(kind: type[Screen]) -> None:
    points = np.random.default_rng(4).random((40, 2))
    merits = np.where(points[:, 0] > 0.5, np.nan, points.sum(1))
    chosen = _told(kind(SPACE), merits, points).pick(np.random.default_rng(5).random((200, 2)))
    assert chosen[0] < 0.55 < 0.9 < chosen[1]


def test_a_screen_looks_elsewhere_as_long_as_all_trials_failed() -> None:
    points = np.random.default_rng(6).random((10, 2)) * 0.3
    screen = _told(Screen(SPACE), np.full(10, np.nan), points)
    assert screen.pick(np.random.default_rng(7).random((200, 2))).max() > 0.6


def test_failed_trials_say_nothing_about_scores() -> None:
    rng = np.random.default_rng(8)
    points, beside = rng.random((20, 2)), rng.random((5, 2))
    merits = -((points - 0.4) ** 2).sum(1)
    alone = _told(Screen(SPACE), merits, points)
    both = _told(Screen(SPACE), np.append(merits, np.full(5, np.nan)), np.vstack([points, beside]))
    np.testing.assert_array_equal(both.incumbent(), alone.incumbent())
    assert both.noise == alone.noise


def test_curves_of_failed_trainings_say_nothing_about_scores() -> None:
    screen = CurveScreen(SPACE)
    points = np.random.default_rng(9).random((12, 2))
    for number, point in enumerate(points):
        for position in range(1, 21):
            screen.trainings.report(number, point.tolist(), position, float(point[1]))
        merit = float("nan") if point[0] > 0.5 else float(point[1])
        screen.add(point[None], np.array([merit]))
        screen.trainings.finish(number, point.tolist(), merit)
    screen.begin()
    assert screen.has_curves
    failed = {number for number, point in enumerate(points) if point[0] > 0.5}
    assert failed and all(screen.expected(number) is None for number in failed)
    assert screen.promise(np.array([[0.2, 0.9]])) > screen.promise(np.array([[0.9, 0.9]]))
