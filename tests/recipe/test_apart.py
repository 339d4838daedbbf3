"""Functions that are called in a fork."""

from __future__ import annotations

import os

import pytest

from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.recipe.apart import apart


def test_the_result_comes_back_and_nothing_else() -> None:
    changed = []

    def work() -> dict[str, float]:
        changed.append(1)
        return {"pid": os.getpid(), "half": 0.5}

    found = apart(work)
    assert found["half"] == 0.5
    assert found["pid"] != os.getpid()
    assert changed == []


def test_errors_come_back() -> None:
    def wrong() -> dict[str, float]:
        raise UsageError("no such file")

    with pytest.raises(UsageError, match="no such file"):
        apart(wrong)
    with pytest.raises(EnvironmentProblem, match="ended with 9"):
        apart(lambda: os._exit(9))
    with pytest.raises(EnvironmentProblem, match="ended with 1"):
        apart(lambda: {"a": 1 / 0})
