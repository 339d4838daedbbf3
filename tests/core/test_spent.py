"""What early stopping saved."""

from __future__ import annotations

from autofinetune.core.spent import Spent
from autofinetune.core.status import Status


def spent(completed: int, stopped: int, reports: int, early: int) -> Spent:
    found = Spent()
    for _ in range(completed):
        found.add(Status.COMPLETED, reports)
    for _ in range(stopped):
        found.add(Status.STOPPED, early)
    found.add(Status.FAILED, 7)
    return found


def test_reports_are_counted_in_whole_trainings() -> None:
    assert spent(20, 80, 50, 10).trainings == 20 + 80 * 10 / 50
    assert spent(20, 80, 50, 10).in_words() == "36 of 100 trainings' worth of epochs"
    assert spent(2, 3, 10, 5).in_words() == "3.5 of 5 trainings' worth of epochs"


def test_nothing_is_said_where_nothing_was_saved() -> None:
    assert spent(20, 0, 50, 0).in_words() == ""
    assert spent(0, 3, 0, 4).in_words() == ""
    assert spent(3, 3, 0, 4).in_words() == ""
