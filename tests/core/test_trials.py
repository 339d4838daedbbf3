"""Events that cannot follow the ones before them are refused."""

from __future__ import annotations

import pytest

from autofinetune.core.events import AttemptPlanned, Event
from autofinetune.core.slot import Slot
from autofinetune.core.trials import ImpossibleEvent

from .helpers import ASKED, CREATED, LOST, PLANNED, REPORTED, SUBMITTED, ended, folded


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "STOPPED"])
def test_a_final_trial_never_changes_again(status: str) -> None:
    score = None if status == "FAILED" else 0.5
    for event in (PLANNED, SUBMITTED, REPORTED, ASKED, LOST, ended("COMPLETED", 1.0), CREATED):
        state = folded(CREATED, PLANNED, ended(status, score))
        with pytest.raises(ImpossibleEvent):
            state.apply(event)


@pytest.mark.parametrize("event", [SUBMITTED, REPORTED, ASKED, LOST, ended("FAILED", None)])
def test_a_queued_trial_cannot_do_what_only_a_running_one_can(event: Event) -> None:
    with pytest.raises(ImpossibleEvent):
        folded(CREATED, event)


def test_events_of_unknown_trials_and_of_other_attempts_are_refused() -> None:
    with pytest.raises(ImpossibleEvent, match="unknown"):
        folded(PLANNED)
    with pytest.raises(ImpossibleEvent, match="attempt 2"):
        folded(CREATED, PLANNED, ended("COMPLETED", 1.0, attempt=2))
    with pytest.raises(ImpossibleEvent, match="expected 1"):
        folded(CREATED, AttemptPlanned(1.0, 0, 2, Slot("a")))
