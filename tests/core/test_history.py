"""What a history keeps besides the state."""

from __future__ import annotations

from autofinetune.core.events import (
    AttemptLost,
    AttemptPlanned,
    AttemptStarted,
    AttemptSubmitted,
    Event,
    Reported,
    RunCreated,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.history import History, PastAttempt
from autofinetune.core.slot import Slot
from autofinetune.core.status import Direction

A, B = Slot("a"), Slot("b")


def history_of(*events: Event, direction: Direction = Direction.MAXIMIZE) -> History:
    history = History(direction)
    history.apply_all([RunCreated(1.0, "r", "0", {}), *events])
    return history


def created(trial: int) -> TrialCreated:
    return TrialCreated(2.0, trial, 0, trial, (0.5,), {"lr": 0.1}, None)


def test_attempts_have_slots_times_and_ends() -> None:
    history = history_of(
        created(0),
        AttemptPlanned(3.0, 0, 1, A),
        AttemptSubmitted(4.0, 0, 1, {}),
        Reported(5.0, 0, 1, 0, 0.5, 30),
        AttemptLost(6.0, 0, 1, "exit:1"),
        AttemptPlanned(7.0, 0, 2, B, 120),
        AttemptSubmitted(8.0, 0, 2, {}),
        TrialEnded(9.0, 0, 2, "FAILED", "oom", None, 1.0, False),
    )
    assert history.attempts[0] == [
        PastAttempt(1, A, 3.0, 0, 6.0, "LOST", "exit:1"),
        PastAttempt(2, B, 7.0, 120, 9.0, "FAILED", "oom"),
    ]
    assert (history.created_at, history.last_at) == (1.0, 9.0)
    assert history.trial_created_at == {0: 2.0}


def test_an_attempt_in_a_queue_has_not_started() -> None:
    waiting = (
        created(0),
        AttemptPlanned(3.0, 0, 1, A),
        AttemptSubmitted(4.0, 0, 1, {}, is_waiting=True),
    )
    assert history_of(*waiting).attempts[0] == [PastAttempt(1, A, None, 0, None, "QUEUED")]
    begun = history_of(*waiting, AttemptStarted(5.0, 0, 1, "w1"))
    assert begun.attempts[0] == [PastAttempt(1, A.on("w1"), 5.0, 0, None, "RUNNING")]


def test_the_progress_is_the_best_after_each_trial() -> None:
    scores = [None, 0.5, 0.2, 0.7, None]
    events: list[Event] = []
    for trial, score in enumerate(scores):
        status = "FAILED" if score is None else "COMPLETED"
        events += [
            created(trial),
            AttemptPlanned(3.0, trial, 1, A),
            TrialEnded(4.0, trial, 1, status, "", score, 1.0, False),
        ]
    assert history_of(*events).progress == [None, 0.5, 0.5, 0.7, 0.7]
    down = history_of(*events, direction=Direction.MINIMIZE)
    assert down.progress == [None, 0.5, 0.2, 0.2, 0.2]
