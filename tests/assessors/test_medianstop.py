"""The median stopping rule, with numbers that can be checked by hand."""

from __future__ import annotations

import pytest

from autofinetune.assessors import create_assessor

from .helpers import add, curves_of

A, B, C = [0.1, 0.5, 0.9], [0.2, 0.4, 0.6], [0.05, 0.3, 0.5]


def verdicts(
    completed: list[list[float]], merits: list[float], direction: str = "maximize", **options: int
) -> list[bool]:
    """Whether a trial is stopped after each of its reports, none of which stops it."""
    assessor = create_assessor("medianstop", direction, {"min_completed": 1, **options})
    assert assessor is not None
    found = []
    for count in range(1, len(merits) + 1):
        curves = curves_of(completed)
        curve = add(curves, 99, merits[:count])
        found.append(bool(assessor.assess(curve, curves)))
    return found


def test_the_best_so_far_is_held_against_the_worse_middle_of_the_running_means() -> None:
    assert verdicts([A, B], C) == [True, False, False]


def test_the_same_in_the_other_direction() -> None:
    """For losses, the larger of the two middle scores is the worse one."""

    def turned(scores: list[float]) -> list[float]:
        return [-score for score in scores]

    assert verdicts([turned(A), turned(B)], turned([0.15, 0.9, 0.9]), "minimize") == [False] * 3
    assert verdicts([turned(A), turned(B)], turned([0.25, 0.9, 0.9]), "minimize")[0]


def test_equal_to_the_median_goes_on() -> None:
    assert verdicts([[0.5, 0.5]], [0.5, 0.1]) == [False, False]


def test_it_begins_with_the_given_report_and_with_enough_completed_trials() -> None:
    assert verdicts([A, B], [0.0, 0.0, 0.0], start_step=2) == [False, True, True]
    assert verdicts([A, B], [0.0, 0.0, 0.0], min_completed=3) == [False] * 3


def test_steps_are_compared_with_equal_steps_whatever_the_intervals() -> None:
    assessor = create_assessor("medianstop", "maximize", {"min_completed": 1})
    assert assessor is not None
    curves = curves_of()
    often = curves.begin(0)
    for step in range(1, 11):
        often.add(step, step / 10)
    curves.complete(0, 1.0)
    seldom = curves.begin(1)
    seldom.add(5, 0.25)  # the other one's mean up to step 5 is 0.3
    assert "median of 1 trials" in assessor.assess(seldom, curves)
    seldom.merits[0] = 0.35
    assert assessor.assess(seldom, curves) == ""


def test_nobody_is_judged_beyond_where_others_went() -> None:
    assert verdicts([[0.9, 0.9]], [0.95, 0.95, 0.95]) == [False] * 3
    assert verdicts([[0.9]], [0.1, 0.1]) == [True, False]


def test_the_share_to_beat_can_be_raised() -> None:
    completed = [[merit] for merit in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert verdicts(completed, [0.35]) == [False]
    assessor = create_assessor("medianstop", "maximize", {"quantile": 0.75})
    assert assessor is not None
    curves = curves_of(completed)
    assert assessor.assess(add(curves, 9, [0.35]), curves)


@pytest.mark.parametrize(("among", "stops"), [("completed", True), ("ended", False)])
def test_stopped_trials_can_lower_the_bar(among: str, stops: bool) -> None:
    assessor = create_assessor("medianstop", "maximize", {"min_completed": 1, "among": among})
    assert assessor is not None
    curves = curves_of([[0.9]])
    for trial in (1, 2):
        add(curves, trial, [0.1])
        curves.stop(trial)
    assert bool(assessor.assess(add(curves, 3, [0.2]), curves)) == stops
