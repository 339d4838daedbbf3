"""The assessor that asks the strategy: what it says, and how it decides."""

from __future__ import annotations

import pytest

from autofinetune.assessors.surrogate import Surrogate
from autofinetune.core.curves import Curves
from autofinetune.core.judgement import Judgement
from tests.surrogate.helpers import Played

from .helpers import add


class Saying:
    """A judge that always says the same."""

    def __init__(self, judgement: Judgement | None) -> None:
        self.judgement = judgement
        self.length = -1

    def announce(self, length: int) -> None:
        self.length = length

    def report(self, trial: int, position: int, merit: float) -> None:
        raise AssertionError

    def judge(self, trial: int) -> Judgement | None:
        return self.judgement

    def expected(self, trial: int) -> float | None:
        raise AssertionError


def said(judgement: Judgement | None, direction: str = "maximize") -> str:
    curves = Curves()
    used = Surrogate(direction)
    used.consult(Saying(judgement))
    return used.assess(add(curves, 0, [0.5]), curves)


def test_a_reason_tells_the_expected_end_the_best_and_why_a_new_trial_is_better() -> None:
    assert said(Judgement(0.91234, 0.00412, 0.9311, is_hopeless=True)) == (
        "expected to end at 0.9123 ± 0.0041, below the best 0.9311; "
        "a new configuration promises more per step"
    )


def test_scores_to_minimize_are_told_as_the_script_reports_them() -> None:
    reason = said(Judgement(-12.34, 1.9, -8.0, is_hopeless=True), "minimize")
    assert reason.startswith("expected to end at 12.3 ± 1.9, above the best 8.0;")


@pytest.mark.parametrize("deviation", [0.0, 1e-300, 1e300])
def test_any_size_is_told_in_one_short_line(deviation: float) -> None:
    reason = said(Judgement(1e5, deviation, 1e5, is_hopeless=True))
    assert reason.isprintable()
    assert len(reason) < 500


def test_a_trial_that_may_win_or_was_not_judged_continues() -> None:
    assert said(Judgement(0.9, 0.1, 0.95, is_hopeless=False)) == ""
    assert said(None) == ""


def test_without_a_strategy_it_stops_nothing() -> None:
    curves = Curves()
    assert Surrogate("maximize").assess(add(curves, 0, [0.5]), curves) == ""


def test_the_length_of_a_training_is_announced() -> None:
    judge = Saying(None)
    Surrogate("maximize", {"max_steps": 81}).consult(judge)
    assert judge.length == 81


def test_what_ends_clearly_below_the_others_is_hopeless_and_the_best_is_not() -> None:
    played = Played("pshe2", length=20)
    for _ in range(6):
        played.complete(lambda x, t: x * t)
    bad, good = played.begin(0.05), played.begin(0.95)
    judged = [played.report(bad, 0.05 * t / 20) for t in range(1, 6)][-1]
    assert judged is not None
    assert judged.is_hopeless
    judged = [played.report(good, 1.1 * t / 20) for t in range(1, 6)][-1]
    assert judged is not None
    assert not judged.is_hopeless
