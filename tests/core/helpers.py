"""The events of a trial, and the state that they give."""

from __future__ import annotations

from autofinetune.core.events import (
    AttemptLost,
    AttemptPlanned,
    AttemptSubmitted,
    Event,
    Reported,
    StopRequested,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Direction

CREATED = TrialCreated(1.0, 0, 0, 0, (0.5,), {"x": 1}, None)
PLANNED = AttemptPlanned(2.0, 0, 1, Slot("cpu:0"))
SUBMITTED = AttemptSubmitted(3.0, 0, 1, {"pid": 1})
REPORTED = Reported(3.0, 0, 1, 0, 0.4, 30)
ASKED = StopRequested(3.5, 0, 1, "assessor: hopeless at step 0")
LOST = AttemptLost(4.0, 0, 1, "runner_lost")


def ended(status: str, score: float | None, trial: int = 0, attempt: int = 1) -> TrialEnded:
    return TrialEnded(5.0, trial, attempt, status, "why", score, 2.0, True)


def folded(*events: Event, direction: Direction = Direction.MAXIMIZE) -> State:
    state = State(direction)
    state.apply_all(events)
    return state
