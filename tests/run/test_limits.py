"""Limits that end a run early."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.config.described import describe
from autofinetune.config.safety import Safety
from autofinetune.core.events import (
    AttemptPlanned,
    RunCreated,
    RunResumed,
    SlotQuarantined,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.run_state import BROKEN, NO_SLOT, TARGET, TIMEOUT
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Direction
from autofinetune.run.limits import Limits
from tests.helpers import config_of

LATER = 1_700_000_000.0


def run_of(scores: list[float | None], **fields: Any) -> tuple[State, Limits, list[float]]:
    """A run of 9 trials whose first ones ended within a second each; the clock can be set."""
    config = config_of(**fields)
    state, clock = State(config.direction), [50.0]
    limits = Limits(config, state, lambda: clock[0])
    state.apply(RunCreated(LATER, "run", "0", describe(config)))
    limits.begin()
    for trial, score in enumerate(scores):
        at = LATER + trial + 1
        status = "FAILED" if score is None else "COMPLETED"
        state.apply(TrialCreated(at, trial, 0, trial % 3, (), {}, None))
        state.apply(AttemptPlanned(at, trial, 1, Slot("a")))
        state.apply(TrialEnded(at, trial, 1, status, "exit:1", score, 1.0, False))
    return state, limits, clock


def test_nothing_ends_a_run_without_bounds() -> None:
    _, limits, clock = run_of([1.0, None, 3.0])
    clock[0] += 1e9
    assert limits.reached(["a", "b"], exhausted=False) is None


@pytest.mark.parametrize(
    ("direction", "target", "is_reached"),
    [("maximize", 3.0, True), ("maximize", 3.1, False), ("minimize", 1.0, True),
     ("minimize", 0.9, False)],
)  # fmt: skip
def test_a_score_as_good_as_the_target(direction: str, target: float, is_reached: bool) -> None:
    _, limits, _ = run_of([1.0, None, 3.0], direction=Direction(direction), target_score=target)
    assert limits.reached(["a"], exhausted=False) == (TARGET if is_reached else None)


def test_time_counts_over_all_lives_but_not_between_them() -> None:
    state, limits, clock = run_of([1.0, 2.0], max_seconds=10)
    clock[0] += 9.5
    assert limits.reached(["a"], exhausted=False) is None
    clock[0] += 0.5
    assert limits.reached(["a"], exhausted=False) == TIMEOUT
    assert limits.is_out_of_time()
    state.apply(RunResumed(LATER + 1000, "0"))  # the two trials took two seconds
    limits.begin()
    clock[0] += 7.5
    assert not limits.is_out_of_time()
    clock[0] += 0.5
    assert limits.is_out_of_time()


def test_a_run_with_nothing_more_to_start_is_neither_late_nor_broken() -> None:
    broken = Safety(max_failures=2)
    _, limits, clock = run_of([None, None], max_seconds=10, safety=broken)
    assert limits.reached(["a"], exhausted=False) == BROKEN
    clock[0] += 10
    assert limits.reached(["a"], exhausted=True) is None
    _, limits, clock = run_of([None] * 9, max_seconds=10, safety=broken)
    clock[0] += 10
    assert limits.reached(["a"], exhausted=False) is None


def test_a_run_needs_a_slot() -> None:
    state, limits, _ = run_of([1.0])
    state.apply(SlotQuarantined(LATER + 2, Slot("a"), "it failed"))
    assert limits.reached(["a", "b"], exhausted=False) is None
    assert limits.reached(["a"], exhausted=False) == NO_SLOT
