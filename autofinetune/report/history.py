"""What happened in a run and when, folded from its journal beside the state."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from autofinetune.config.config import Config
from autofinetune.config.described import from_description
from autofinetune.core.curves import Curve
from autofinetune.core.events import (
    AttemptEvent,
    AttemptLost,
    AttemptPlanned,
    AttemptStarted,
    Event,
    Reported,
    RunResumed,
    SlotQuarantined,
    TrialEnded,
)
from autofinetune.core.run_state import RunState
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Status
from autofinetune.run.directories import is_tuner_alive, of_the_journal
from autofinetune.run.result import Result
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths

LOST = "LOST"  # the outcome of an attempt that does not count


@dataclass
class Attempted:
    """An attempt of a trial on a slot; times are seconds since 1970.

    `outcome` is a final status, `LOST`, or RUNNING while it has not ended.
    """

    trial: int
    attempt: int
    slot: Slot
    start: float
    end: float = math.nan
    outcome: str = Status.RUNNING.value
    reason: str = ""


@dataclass(frozen=True)
class Ending:
    """The end of a trial, and what the run had spent by then: seconds and reported steps."""

    trial: int
    seconds: float
    steps: int


@dataclass
class History:
    """A run as of `read_at`, in seconds since 1970.

    `curves` holds the scores (not merits) that the last attempt of each trial reported, `idle` the
    times without a tuner.
    """

    paths: RunPaths
    config: Config
    state: State
    created_at: float
    read_at: float
    run_state: RunState = RunState.PENDING
    why: str = ""
    attempts: list[Attempted] = field(default_factory=list)
    curves: dict[int, Curve] = field(default_factory=dict)
    endings: list[Ending] = field(default_factory=list)
    idle: list[tuple[float, float]] = field(default_factory=list)
    quarantined: list[SlotQuarantined] = field(default_factory=list)
    last_at: float = 0.0


def read_history(paths: RunPaths, clock: Callable[[], float] = time.time) -> History:
    """Read the run in an open directory; raise EnvironmentProblem if that is impossible."""
    is_alive = is_tuner_alive(paths.lock)  # before reading the journal
    with contextlib.closing(SqliteJournal(paths.journal, read_only=True)) as journal:
        first = journal.created()
        assert first is not None
        with of_the_journal(paths):
            config = from_description(first.config)
        state = State(config.direction)
        history = History(paths, config, state, first.at, clock())
        _fold(history, journal.events())
    result = Result(paths, state, is_alive=is_alive)
    history.run_state, history.why = result.state, result.reason
    if not is_alive:
        history.read_at = max(history.last_at, first.at)
    return history


def _fold(history: History, events: Iterable[Event]) -> None:
    state, current, steps = history.state, dict[int, Attempted](), 0
    for event in events:
        state.apply(event)
        if isinstance(event, RunResumed) and history.last_at:
            history.idle.append((history.last_at, event.at))
        elif isinstance(event, SlotQuarantined):
            history.quarantined.append(event)
        elif isinstance(event, Reported):
            curve = history.curves.setdefault(event.trial, Curve(event.trial))
            before = curve.position
            curve.add(event.step, event.score)
            steps += curve.position - before
        elif isinstance(event, AttemptEvent):
            _follow(history, current, event)
        if isinstance(event, TrialEnded):
            history.endings.append(Ending(event.trial, state.active_seconds, steps))
        history.last_at = event.at


def _follow(history: History, current: dict[int, Attempted], event: AttemptEvent) -> None:
    """Follow the attempts, of which each trial has one at a time."""
    if isinstance(event, AttemptPlanned):
        new = Attempted(event.trial, event.attempt, event.slot, event.at)
        current[event.trial] = new
        history.attempts.append(new)
        history.curves.pop(event.trial, None)
    elif isinstance(event, AttemptStarted):
        current[event.trial].start = event.at
    elif isinstance(event, (AttemptLost, TrialEnded)):
        one = current.pop(event.trial)
        one.end, one.reason = event.at, event.reason
        one.outcome = event.status if isinstance(event, TrialEnded) else LOST
