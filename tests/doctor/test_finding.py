"""Checks neither hang nor raise."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from autofinetune.doctor.finding import Finding, Status, findings_of
from autofinetune.errors import EnvironmentProblem, UsageError


def raising(error: Exception) -> Iterator[Finding]:
    yield Finding("x", "before")
    raise error


@pytest.mark.parametrize("limit_s", [None, 60.0])
@pytest.mark.parametrize(
    ("error", "status", "exit_code"),
    [
        (UsageError("wrong", "mend it"), Status.PROBLEM, 2),
        (EnvironmentProblem("broken", "mend it"), Status.PROBLEM, 4),
        (ZeroDivisionError("odd"), Status.WARNING, 4),
    ],
)
def test_an_error_is_a_finding(
    error: Exception, status: Status, exit_code: int, limit_s: float | None
) -> None:
    before, found = findings_of("x", lambda: raising(error), limit_s)
    assert before.text == "before"
    assert (found.status, found.exit_code) == (status, exit_code)
    assert str(error) in found.text
    assert found.todo


def test_a_check_that_hangs_is_a_problem() -> None:
    held = threading.Event()

    def hanging() -> Iterator[Finding]:
        yield Finding("x", "before")
        held.wait()

    (found,) = [one for one in findings_of("x", hanging, 0.05) if one.status is Status.PROBLEM]
    held.set()
    assert "did not answer within 0.05 s" in found.text
