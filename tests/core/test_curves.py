"""Learning curves: positions, merits at positions, and the expected merit of a stopped trial."""

from __future__ import annotations

import math

from autofinetune.core.curves import MOST_CURVES, Curve, Curves


def curve_of(*reports: tuple[int, float]) -> Curve:
    curve = Curve(0)
    for step, merit in reports:
        curve.add(step, merit)
    return curve


def test_steps_from_zero_are_moved_up_and_steps_that_do_not_grow_count_on() -> None:
    assert curve_of((0, 0.1), (1, 0.2), (5, 0.3)).positions == [1, 2, 6]
    assert curve_of((1, 0.1), (2, 0.2)).positions == [1, 2]
    assert curve_of((7, 0.1), (7, 0.2), (3, 0.3), (20, 0.4)).positions == [7, 8, 9, 20]
    assert curve_of((-3, 0.1), (-2, 0.2)).positions == [1, 2]
    assert Curve(0).position == 0


def test_what_was_known_at_a_position() -> None:
    curve = curve_of((1, 0.0), (3, 0.5), (5, 1.0))
    assert [curve.merit_at(p) for p in (1, 2, 3, 5, 9)] == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert [curve.mean_until(p) for p in (1, 2, 3, 5)] == [0.0, 0.0, 0.25, 0.5]
    assert [curve.first_from(p) for p in (1, 2, 3, 4)] == [0.0, 0.5, 0.5, 1.0]


def filled(*merits: list[float], completed: int) -> Curves:
    """Trials with merits at 1, 2, ...; the first ones are completed, the others running."""
    curves = Curves()
    for trial, values in enumerate(merits):
        curve = curves.begin(trial)
        for step, merit in enumerate(values, 1):
            curve.add(step, merit)
        if trial < completed:
            curves.complete(trial, values[-1])
    return curves


def test_a_stopped_trial_would_have_gained_what_completed_ones_gained_from_there() -> None:
    curves = filled([0.1, 0.2, 0.9], [0.1, 0.5, 0.6], [0.1, 0.4, 0.8], [0.0, 0.3], completed=3)
    assert math.isclose(curves.expected(curves.running[3]), 0.3 + 0.4)


def test_completed_trials_that_do_not_go_as_far_say_nothing() -> None:
    curves = filled([0.1, 0.9], [0.1, 0.2, 0.5], [0.0, 0.2, 0.25], completed=2)
    assert math.isclose(curves.expected(curves.running[2]), 0.25)
    only = filled([0.1, 0.9], [0.0, 0.2, 0.25], completed=1)
    assert math.isclose(only.expected(only.running[1]), 0.25)


def test_while_none_has_completed_those_that_went_further_tell() -> None:
    curves = filled([0.1, 0.3], [0.2, 0.6, 0.7], [0.0], [0.5], completed=0)
    assert math.isclose(curves.expected(curves.running[2]), 0.0 + (0.2 + 0.5) / 2)
    assert curves.expected(curves.running[1]) == 0.7


def test_what_is_expected_is_a_number() -> None:
    huge = 1.7e308
    curves = filled([-huge, huge], [huge], completed=1)
    assert curves.expected(curves.running[1]) == huge


def test_the_best_and_the_furthest_are_of_completed_trials() -> None:
    curves = filled([0.1, 0.9], [0.5, 0.5, 0.5], [1.0, 1.0, 1.0, 1.0], completed=2)
    assert (curves.best, curves.furthest) == (0.9, 3)
    curves.stop(2)
    assert (curves.best, curves.furthest) == (0.9, 3)
    assert [curve.trial for curve in curves.reaching(3)] == [1, 2]


def test_failed_and_repeated_attempts_leave_nothing() -> None:
    curves = filled([0.1], [0.2], completed=0)
    curves.fail(0)
    curves.fail(0)
    assert curves.begin(1).merits == []
    assert list(curves.reaching(1)) == []


def test_only_so_many_ended_trials_are_kept() -> None:
    curves = filled(*[[0.5]] * (MOST_CURVES + 5), completed=MOST_CURVES + 5)
    assert len(curves.ended) == MOST_CURVES
    assert curves.ended[0].trial == 5
