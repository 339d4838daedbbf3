"""What a state does not keep of a run: times, earlier attempts, and how it advanced. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from autofinetune.core.events import (
    AttemptLost,
    AttemptPlanned,
    AttemptStarted,
    AttemptSubmitted,
    Event,
    RunCreated,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Direction, Status

LOST = "LOST"  # the outcome of an attempt that did not count


@dataclass(frozen=True)
class PastAttempt:
    """An attempt at a trial; times are in seconds since 1970.

    `started_at` is None while it waits in the queue of an engine, `ended_at` until it has ended.
    `outcome` is `LOST` or the status of the trial. `log_start` is where its part of the trial's
    log begins, in bytes.
    """

    number: int
    slot: Slot
    started_at: float | None
    log_start: int
    ended_at: float | None = None
    outcome: str = Status.RUNNING.value
    reason: str = ""


class History:
    """A run folded from its events, which may lack `Reported`, with what `State` leaves out.

    `progress` has the best score after each trial that ended, None while there is none.
    """

    def __init__(self, direction: Direction) -> None:
        self.state = State(direction)
        self.created_at = 0.0
        self.last_at = 0.0
        self.trial_created_at: dict[int, float] = {}
        self.attempts: dict[int, list[PastAttempt]] = {}
        self.progress: list[float | None] = []

    def apply_all(self, events: Iterable[Event]) -> None:
        """Add events; raise ImpossibleEvent if one cannot follow the earlier ones."""
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Add an event; raise ImpossibleEvent if it cannot follow the earlier ones."""
        self.state.apply(event)
        self.last_at = event.at
        if isinstance(event, RunCreated):
            self.created_at = event.at
        elif isinstance(event, TrialCreated):
            self.trial_created_at[event.trial] = event.at
            self.attempts[event.trial] = []
        elif isinstance(event, AttemptPlanned):
            self.attempts[event.trial].append(
                PastAttempt(event.attempt, event.slot, event.at, event.log_start)
            )
        elif isinstance(event, (AttemptSubmitted, AttemptStarted)):
            trial = self.state.trials[event.trial]
            self._change(
                event.trial,
                started_at=trial.started_at,
                outcome=trial.status.value,
                slot=trial.where,
            )
        elif isinstance(event, AttemptLost):
            self._change(event.trial, ended_at=event.at, outcome=LOST, reason=event.reason)
        elif isinstance(event, TrialEnded):
            self._change(event.trial, ended_at=event.at, outcome=event.status, reason=event.reason)
            best = self.state.best
            self.progress.append(None if best is None else best.score)

    def _change(self, trial: int, **fields: object) -> None:
        attempts = self.attempts[trial]
        attempts[-1] = dataclasses.replace(attempts[-1], **fields)  # type: ignore[arg-type]
