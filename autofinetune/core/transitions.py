"""Which events may follow each other in the life of a trial."""

from __future__ import annotations

from collections.abc import Mapping

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
from autofinetune.core.trials import Status, Trial
from autofinetune.errors import EnvironmentProblem

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
    """Return the trial of an event.

    Args:
        event: the next event of the trial.
        trial: the trial, or None if it was not created.
        has_attempt: whether it has an attempt that has not ended.

    Raises:
        ImpossibleEvent: the event cannot follow the earlier ones.
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
