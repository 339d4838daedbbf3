"""The state of a run, folded from its events. Pure: no files, clocks or processes."""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from autofinetune.core.events import (
    AttemptEvent,
    AttemptLost,
    AttemptPlanned,
    AttemptStarted,
    AttemptSubmitted,
    ConfigurationsEnqueued,
    Event,
    NoteAdded,
    OptionsChanged,
    Reported,
    RunContinued,
    RunCreated,
    RunEnded,
    RunPaused,
    RunResumed,
    SlotQuarantined,
    StopRequested,
    TrialCreated,
    TrialEnded,
    TrialsImported,
    UserEvent,
)
from autofinetune.core.slot import NOWHERE, Slot
from autofinetune.core.spent import Spent
from autofinetune.core.status import Direction, Status
from autofinetune.core.trials import ImpossibleEvent, Trial, expected

__all__ = ["Direction", "State", "Status", "Trial"]


class State:
    """All trials of a run, with counts that are updated at little cost by each event."""

    def __init__(self, direction: Direction = Direction.MAXIMIZE) -> None:
        self.direction = direction
        self.run = ""
        self.where: Mapping[str, Any] = {}  # where it was last created or resumed
        self.config: Mapping[str, Any] = {}  # with the options that were changed
        self.is_paused = False
        self.requests: set[str] = set()  # those of the user that were applied
        self.end_reason: str | None = None
        self.trials: dict[int, Trial] = {}
        self.queued: set[int] = set()  # waiting for a slot
        self.running: set[int] = set()  # with an attempt, even if an engine has it in its queue
        self.counts: dict[Status, int] = dict.fromkeys(Status, 0)
        self.ended_by_round: dict[int, int] = {}
        self._rounds: dict[int, list[int]] = {}  # trials in order of creation
        self._models: dict[int, int] = {}  # by round: completed trials that saved a model
        self._order: list[int] = []  # completed trials, see `ranked`
        self._repeats = 1
        self.best: Trial | None = None
        self.busy_seconds = 0.0
        self.spent = Spent()
        self.fast_failures = 0  # in a row, on all slots together
        self.slot_failures: dict[Slot, int] = {}  # fast failures in a row, by slot
        self.good_slots: set[Slot] = set()  # slots on which a trial has completed or was stopped
        self.quarantined: dict[Slot, str] = {}  # slot to reason
        self.active_seconds = 0.0  # the time during which a tuner was running
        self._last_at = math.inf

    @property
    def ended(self) -> int:
        return sum(count for status, count in self.counts.items() if status.is_final)

    def merit(self, trial: Trial) -> float:
        """Return the merit of a trial with a score; higher is better."""
        assert trial.score is not None
        return self.direction.merit(trial.score)

    def told(self, trial: Trial) -> float | None:
        """Return the merit that a strategy learns for an ended trial, None for a failed one."""
        score = trial.estimate if trial.status is Status.STOPPED else trial.score
        return None if score is None else self.direction.merit(score)

    def ranked(self) -> Iterator[Trial]:
        """Return the completed trials, best first; equal scores in order of creation.

        With repeats, trials appear once all trials of their configuration have ended, ordered by
        the mean of the configuration.
        """
        return map(self.trials.__getitem__, self._order)

    def in_round(self, round_: int) -> list[Trial]:
        """Return the trials of one round in order of creation."""
        return [self.trials[trial] for trial in self._rounds.get(round_, ())]

    def is_settled(self, number: int) -> bool:
        """Return whether all trials of its configuration ended, so that its rank is final."""
        over = sum(trial.status.is_final for trial in self._together(number))
        return over == self._repeats

    def newest_first(self) -> Iterator[Trial]:
        """Return all trials, the latest round first."""
        rounds = sorted(self._rounds, reverse=True)
        return (trial for round_ in rounds for trial in reversed(self.in_round(round_)))

    def by_round(self) -> Iterator[Trial]:
        """Return all trials, round by round."""
        return (trial for round_ in sorted(self._rounds) for trial in self.in_round(round_))

    def models_before(self, round_: int) -> int:
        """Return how many completed trials of earlier rounds saved a model."""
        return sum(count for r, count in self._models.items() if r < round_)

    def apply(self, event: Event) -> None:
        """Update the state; raise ImpossibleEvent if the event cannot follow the earlier ones."""
        was_paused = self.is_paused
        _HANDLERS[type(event)](self, event)
        if isinstance(event, UserEvent):
            self.requests.add(event.request)
            if self.is_paused == was_paused:  # a tuner need not have been running
                return
        if not (was_paused or isinstance(event, RunResumed)):  # no tuner was running before it
            self.active_seconds += max(0.0, event.at - self._last_at)
        self._last_at = event.at

    def apply_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self.apply(event)

    # --- one handler per event ------------------------------------------------------------------

    def _run_created(self, event: RunCreated) -> None:
        if self.run:
            raise ImpossibleEvent("the run was created twice")
        self.run, self.config = event.run, event.config
        self.where = event.where
        self._repeats = event.config.get("repeats", 1)
        if type(self._repeats) is not int or not 0 < self._repeats <= _MOST_REPEATS:
            raise ImpossibleEvent(f"repeats is {self._repeats!r:.60}")

    def _run_resumed(self, event: RunResumed) -> None:
        """Reset all failures, as their causes may have been fixed meanwhile."""
        self.run = event.run or self.run
        self.where = event.where or self.where
        self.end_reason = None
        self.is_paused = False
        self.fast_failures = 0
        self.slot_failures.clear()
        self.quarantined.clear()

    def _slot_quarantined(self, event: SlotQuarantined) -> None:
        self.quarantined[event.slot] = event.reason

    def _run_ended(self, event: RunEnded) -> None:
        self.end_reason = event.reason

    def _run_paused(self, event: RunPaused) -> None:
        self.is_paused = True

    def _run_continued(self, event: RunContinued) -> None:
        self.is_paused = False

    def _options_changed(self, event: OptionsChanged) -> None:
        self.config = {**self.config, **event.options}

    def _note_added(self, event: NoteAdded) -> None:
        trial = self.trials.get(event.trial)
        if trial is None:
            raise ImpossibleEvent(f"a note on unknown trial {event.trial}")
        noted = self._change(trial, notes=(*trial.notes, event.text))
        if self.best is trial:
            self.best = noted

    def _for_the_strategy(self, event: ConfigurationsEnqueued | TrialsImported) -> None:
        pass

    def _trial_created(self, event: TrialCreated) -> None:
        if event.trial in self.trials:
            raise ImpossibleEvent(f"trial {event.trial} was created twice")
        if event.parent is not None and event.parent not in self.trials:
            raise ImpossibleEvent(f"trial {event.trial} continues unknown trial {event.parent}")
        created = Trial(event.trial, event.round, event.member, event.params, event.parent)
        self.trials[event.trial] = created
        self._rounds.setdefault(event.round, []).append(event.trial)
        self.queued.add(event.trial)
        self.counts[Status.QUEUED] += 1

    def _planned(self, event: AttemptPlanned) -> None:
        trial = self._expect(event)
        self.queued.remove(trial.id)
        self.running.add(trial.id)
        self._change(
            trial, status=Status.RUNNING, attempt=event.attempt, slot=event.slot, node="",
            handle=None, report_offset=0, reports=0, last_report=None, stop_reason="",
            started_at=event.at,
        )  # fmt: skip

    def _submitted(self, event: AttemptSubmitted) -> None:
        trial = self._expect(event)
        is_new = trial.handle is None  # a resumed tuner submits again what may be running
        waiting = {"status": Status.QUEUED, "started_at": None}
        self._change(
            trial, handle=event.handle, **(waiting if event.is_waiting and is_new else {})
        )

    def _started(self, event: AttemptStarted) -> None:
        trial = self._expect(event)
        self._change(trial, status=Status.RUNNING, started_at=event.at, node=event.node)

    def _reported(self, event: Reported) -> None:
        trial = self._expect(event)
        self._change(
            trial,
            report_offset=event.offset,
            reports=trial.reports + 1,
            last_report=event.score,
        )

    def _stop_requested(self, event: StopRequested) -> None:
        trial = self._expect(event)
        if trial.stop_reason:
            raise ImpossibleEvent(f"trial {trial.id} was asked to stop twice")
        self._change(trial, stop_reason=event.reason)

    def _attempt_lost(self, event: AttemptLost) -> None:
        trial = self._expect(event)
        self.running.remove(trial.id)
        self.queued.add(trial.id)
        self._change(
            trial, status=Status.QUEUED, reason=event.reason, slot=NOWHERE,
            lost=(*trial.lost, event.reason),
            avoid=trial.slot if event.reason == SUSPECT_SLOT else trial.avoid,
        )  # fmt: skip

    def _trial_ended(self, event: TrialEnded) -> None:
        trial = self._expect(event)
        status = Status(event.status)
        if (event.score is None) != (status is Status.FAILED) and status is not Status.STOPPED:
            raise ImpossibleEvent(f"trial {trial.id}: {status.value} with score {event.score}")
        self.running.remove(trial.id)
        ended = self._change(
            trial, status=status, reason=event.reason, score=event.score,
            estimate=event.estimate, seconds=event.seconds, has_model=event.has_model,
            handle=None,
        )  # fmt: skip
        self.busy_seconds += event.seconds
        self.spent.add(status, trial.reports)
        self.ended_by_round[trial.round] = self.ended_by_round.get(trial.round, 0) + 1
        self._count_failures(ended)
        if status is Status.COMPLETED:
            self._models[trial.round] = self._models.get(trial.round, 0) + event.has_model
        self._rank(ended)

    def _rank(self, ended: Trial) -> None:
        """Add the trials of a configuration to the ranking once the last of them ended."""
        over = [trial for trial in self._together(ended.id) if trial.status.is_final]
        done = [trial for trial in over if trial.status is Status.COMPLETED]
        if len(over) < self._repeats or not done:
            return
        for trial in done:
            bisect.insort(self._order, trial.id, key=self._place)
        self.best = self.trials[self._order[0]]

    def _place(self, number: int) -> tuple[float, float, int]:
        """Return the sort key of a completed trial: mean of its configuration, merit, number."""
        done = [t for t in self._together(number) if t.status is Status.COMPLETED]
        mean = sum(map(self.merit, done)) / len(done)
        return -mean, -self.merit(self.trials[number]), number

    def _together(self, number: int) -> list[Trial]:
        """Return the trials of one configuration that were created so far."""
        first = number - number % self._repeats
        numbers = range(first, first + self._repeats)
        return [self.trials[number] for number in numbers if number in self.trials]

    def _count_failures(self, trial: Trial) -> None:
        if trial.status is not Status.FAILED:
            self.fast_failures = self.slot_failures[trial.slot] = 0
            self.good_slots.add(trial.slot)
        elif trial.seconds < FAST_FAILURE_S:
            self.fast_failures += 1
            self.slot_failures[trial.slot] = self.slot_failures.get(trial.slot, 0) + 1
        else:
            self.fast_failures = self.slot_failures[trial.slot] = 0

    def _expect(self, event: AttemptEvent) -> Trial:
        trial = self.trials.get(event.trial)
        return expected(event, trial, has_attempt=event.trial in self.running)

    def _change(self, trial: Trial, **fields: Any) -> Trial:
        changed = dataclasses.replace(trial, **fields)
        self.trials[trial.id] = changed
        self.counts[trial.status] -= 1
        self.counts[changed.status] += 1
        return changed


SUSPECT_SLOT = "suspect_slot"  # the device may have failed, so the trial is retried on another
FAST_FAILURE_S = 10.0
_MOST_REPEATS = 1_000_000

_HANDLERS: Mapping[type[Event], Callable[[State, Any], None]] = {
    RunCreated: State._run_created,
    RunResumed: State._run_resumed,
    TrialCreated: State._trial_created,
    AttemptPlanned: State._planned,
    AttemptSubmitted: State._submitted,
    AttemptStarted: State._started,
    Reported: State._reported,
    StopRequested: State._stop_requested,
    AttemptLost: State._attempt_lost,
    TrialEnded: State._trial_ended,
    RunEnded: State._run_ended,
    RunPaused: State._run_paused,
    RunContinued: State._run_continued,
    OptionsChanged: State._options_changed,
    ConfigurationsEnqueued: State._for_the_strategy,
    NoteAdded: State._note_added,
    TrialsImported: State._for_the_strategy,
    SlotQuarantined: State._slot_quarantined,
}
