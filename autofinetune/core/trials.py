"""What is known about one trial, and which events may follow each other in its life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autofinetune.core.events import (
    AttemptEvent,
    AttemptLost,
    AttemptPlanned,
    AttemptStarted,
    AttemptSubmitted,
    Reported,
    StopRequested,
    TrialEnded,
)
from autofinetune.core.slot import NOWHERE, Slot
from autofinetune.core.status import Status
from autofinetune.errors import EnvironmentProblem

if TYPE_CHECKING:
    from autofinetune.space import Value


@dataclass(frozen=True, slots=True)
class Trial:
    """The training of one candidate; it may take several attempts.

    `handle` belongs to a running attempt, `stop_reason` to one that was asked to stop.
    """

    id: int
    round: int
    member: int
    params: Mapping[str, Value]
    parent: int | None
    status: Status = Status.QUEUED
    attempt: int = 0
    lost: tuple[str, ...] = ()  # the reasons of the attempts that did not count
    avoid: Slot = NOWHERE  # the slot on which it failed before
    slot: Slot = NOWHERE
    node: str = ""  # the machine on which it runs or ran, if it is not the tuner's
    handle: Mapping[str, Any] | None = None
    report_offset: int = 0
    reports: int = 0
    last_report: float | None = None
    stop_reason: str = ""
    reason: str = ""
    score: float | None = None
    estimate: float | None = None
    seconds: float = 0.0
    has_model: bool = False
    started_at: float | None = None
    notes: tuple[str, ...] = ()  # of the user

    @property
    def where(self) -> Slot:
        """The slot with the node, for people."""
        return self.slot.on(self.node)


# The statuses in which each event may occur; anything else is a bug or a damaged journal. All but
# AttemptPlanned need an attempt, which in the queue of an engine has the status QUEUED.
TRANSITIONS: Mapping[type[AttemptEvent], frozenset[Status]] = {
    AttemptPlanned: frozenset({Status.QUEUED}),
    AttemptSubmitted: frozenset({Status.QUEUED, Status.RUNNING}),
    AttemptStarted: frozenset({Status.QUEUED}),
    Reported: frozenset({Status.RUNNING}),
    StopRequested: frozenset({Status.RUNNING}),
    AttemptLost: frozenset({Status.QUEUED, Status.RUNNING}),
    TrialEnded: frozenset({Status.QUEUED, Status.RUNNING}),
}


class ImpossibleEvent(EnvironmentProblem, ValueError):
    """An event that cannot follow the ones before it."""

    def __init__(self, message: str) -> None:
        super().__init__(
            f"the journal run.db cannot be read: {message}",
            "run.db was changed by another program; restore a copy of it",
        )


def expected(event: AttemptEvent, trial: Trial | None, *, has_attempt: bool) -> Trial:
    """Return the trial of an event; raise ImpossibleEvent if it cannot follow the earlier ones.

    Args:
        trial: None if it was not created.
        has_attempt: whether it has an attempt that has not ended.
    """
    is_planned = isinstance(event, AttemptPlanned)
    if trial is None or trial.status not in TRANSITIONS[type(event)] or has_attempt == is_planned:
        found = "unknown" if trial is None else trial.status.value
        raise ImpossibleEvent(f"{type(event).__name__} for trial {event.trial}, {found}")
    next_attempt = trial.attempt + is_planned
    if event.attempt != next_attempt:
        raise ImpossibleEvent(
            f"{type(event).__name__} for attempt {event.attempt} of trial {trial.id}, "
            f"expected {next_attempt}"
        )
    return trial
