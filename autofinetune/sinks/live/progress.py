"""What a live view shows of a run, folded from its events.

A `Progress` gets the events of a run from the tuner or from the journal, and makes snapshots of
it. Reports of finished trials are forgotten, so that a snapshot costs the same at any length of
the run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from autofinetune.config.config import MOST_TRIALS
from autofinetune.config.described import described_values, planned
from autofinetune.core.events import (
    AttemptLost,
    AttemptPlanned,
    AttemptStarted,
    AttemptSubmitted,
    Event,
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
)
from autofinetune.core.run_state import PAUSED
from autofinetune.core.slot import Slot
from autofinetune.core.status import Direction, Status
from autofinetune.sinks.live.snapshot import Best, Params, Row, Snapshot

_Point = TypeVar("_Point")
_MOST_POINTS = 64  # of a learning curve
_MOST_CHANGES = 256  # of the best score


class Progress:
    """Folds the events of one run.

    `recall` finds the hyperparameters of a trial whose creation was left out.
    """

    def __init__(self, recall: Callable[[int], Params] = lambda trial: {}) -> None:
        self._recall = recall
        self._direction = Direction.MAXIMIZE
        self._repeats = 1
        self._run = self._name = ""
        self._config: dict[str, Any] = {}
        self._is_paused = False
        self._total: int | None = None
        self._params: dict[int, Params] = {}
        self._parents: dict[int, int | None] = {}
        self._created = 0
        self._counts = dict.fromkeys(Status, 0)  # of finished trials
        self._rows: dict[int, Row] = {}
        self._groups: dict[int, list[tuple[float, int] | None]] = {}
        self._best: tuple[float, float, int] | None = None  # mean, merit, minus the number
        self._best_scores: tuple[tuple[int, float], ...] = ()
        self._busy_s = 0.0
        self._slots: set[Slot] = set()
        self._quarantined: dict[Slot, str] = {}
        self._obstacles: tuple[str, ...] = ()
        self._end_reason: str | None = None
        self._submitted: set[int] = set()

    def obstacles(self, sentences: tuple[str, ...]) -> None:
        """Take what hinders the tuner now, in sentences."""
        self._obstacles = sentences

    def snapshot(self) -> Snapshot:
        waiting = sum(row.is_waiting for row in self._rows.values())
        over = sum(self._counts.values())
        running = len(self._rows) - waiting
        counts = {status.value: count for status, count in self._counts.items()}
        counts[Status.RUNNING.value] = running
        counts[Status.QUEUED.value] = self._created - over - running
        return Snapshot(
            run=self._run,
            name=self._name,
            total=self._total,
            counts=counts,
            rows=tuple(self._rows.values()),
            best=self._best_trial(),
            best_scores=self._best_scores,
            slots=max(1, len(self._slots - self._quarantined.keys())),
            busy_s=self._busy_s,
            waits=(
                *[PAUSED] * self._is_paused,
                *self._obstacles,
                *map(_no_more, self._quarantined.items()),
            ),
            end_reason=self._end_reason,
        )

    def _best_trial(self) -> Best | None:
        if self._best is None:
            return None
        _, merit, negative = self._best
        return Best(-negative, self._direction.merit(merit), self._params_of(-negative))

    def _params_of(self, trial: int) -> Params:
        if trial not in self._params:
            self._params[trial] = self._recall(trial)
        return self._params[trial]

    # --- events ---------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """Fold an event; raise ValueError if it cannot follow the earlier ones."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def ended_before(self, trial: int, status: Status, score: float | None, busy_s: float) -> None:
        """Take a finished trial of which nothing else is known."""
        self._created += 1
        self._end(trial, status, score, busy_s)

    def seen(self, slots: set[Slot]) -> None:
        """Take the slots on which trials ran since the run was last resumed."""
        self._slots |= slots

    def _run_created(self, event: RunCreated) -> None:
        values = described_values(event.config)
        self._run, self._name = event.run, values["name"]
        self._direction, self._repeats = Direction(values["direction"]), values["repeats"]
        self._config = dict(event.config)
        self._plan(planned(values))

    def _plan(self, total: int) -> None:
        self._total = None if total == MOST_TRIALS else total

    def _options_changed(self, event: OptionsChanged) -> None:
        self._config.update(event.options)
        self._plan(planned(described_values(self._config)))

    def _run_paused(self, event: RunPaused) -> None:
        self._is_paused = True

    def _run_continued(self, event: RunContinued) -> None:
        self._is_paused = False

    def _run_resumed(self, event: RunResumed) -> None:
        self._is_paused = False
        self._run = event.run or self._run
        self._end_reason = None
        self._quarantined.clear()
        self._slots.clear()

    def _run_ended(self, event: RunEnded) -> None:
        self._end_reason = event.reason

    def _slot_quarantined(self, event: SlotQuarantined) -> None:
        self._quarantined[event.slot] = event.reason

    def _trial_created(self, event: TrialCreated) -> None:
        self._created += 1
        self._params[event.trial] = event.params
        self._parents[event.trial] = event.parent

    def _planned(self, event: AttemptPlanned) -> None:
        parent = self._parents.get(event.trial)
        base = None if parent is None else self._params_of(parent)
        params = self._params_of(event.trial)
        self._rows[event.trial] = Row(
            event.trial, event.attempt, event.slot, event.at, params, parent, base
        )
        self._slots.add(event.slot)
        self._submitted.discard(event.trial)

    def _submitted_(self, event: AttemptSubmitted) -> None:
        pid = event.handle.get("pid")
        # Only the first one after the plan: a resumed tuner submits what may be running.
        is_waiting = event.is_waiting and event.trial not in self._submitted
        self._submitted.add(event.trial)
        is_waiting = is_waiting or self._row(event.trial).is_waiting
        pid = pid if type(pid) is int and pid > 0 else None
        self._change(event.trial, pid=pid, is_waiting=is_waiting)
        self._slots.add(self._row(event.trial).slot)

    def _started(self, event: AttemptStarted) -> None:
        self._change(event.trial, is_waiting=False, since=event.at, node=event.node)

    def _reported(self, event: Reported) -> None:
        reports = _thinned((*self._row(event.trial).reports, event.score), _MOST_POINTS)
        self._change(event.trial, step=event.step, score=event.score, reports=reports)

    def _stop_requested(self, event: StopRequested) -> None:
        self._change(event.trial, stop_reason=event.reason)

    def _lost(self, event: AttemptLost) -> None:
        self._row(event.trial)
        del self._rows[event.trial]

    def _trial_ended(self, event: TrialEnded) -> None:
        self._row(event.trial)
        del self._rows[event.trial]
        self._submitted.discard(event.trial)
        self._end(event.trial, Status(event.status), event.score, event.seconds)

    def _row(self, trial: int) -> Row:
        if trial not in self._rows:
            raise ValueError(f"trial {trial} has no attempt")
        return self._rows[trial]

    def _change(self, trial: int, **fields: Any) -> None:
        self._rows[trial] = dataclasses.replace(self._row(trial), **fields)

    def _end(self, trial: int, status: Status, score: float | None, busy_s: float) -> None:
        self._counts[status] += 1
        self._busy_s += busy_s
        merit = None
        if status is Status.COMPLETED:
            if score is None:
                raise ValueError(f"trial {trial} completed without a score")
            merit = (self._direction.merit(score), -trial)
        group = self._groups.setdefault(trial // self._repeats, [])
        group.append(merit)
        if len(group) < self._repeats:
            return
        del self._groups[trial // self._repeats]
        merits = [one for one in group if one is not None]
        if not merits:
            return
        rank = (sum(one for one, _ in merits) / len(merits), *max(merits))
        if self._best is None or rank > self._best:
            self._best = rank
            ended = sum(self._counts.values())
            best = (ended, self._direction.merit(rank[1]))
            self._best_scores = _thinned((*self._best_scores, best), _MOST_CHANGES)


def _thinned(points: tuple[_Point, ...], most: int) -> tuple[_Point, ...]:
    """Leave out every second point of a curve with more than `most`, but not the last."""
    return points if len(points) <= most else (*points[:-1:2], points[-1])


def _no_more(quarantined: tuple[Slot, str]) -> str:
    slot, reason = quarantined
    return f"slot {slot} gets no more trials: {reason}"


_HANDLERS: Mapping[type[Event], Callable[[Progress, Any], None]] = {
    RunCreated: Progress._run_created,
    RunResumed: Progress._run_resumed,
    RunEnded: Progress._run_ended,
    RunPaused: Progress._run_paused,
    RunContinued: Progress._run_continued,
    OptionsChanged: Progress._options_changed,
    SlotQuarantined: Progress._slot_quarantined,
    TrialCreated: Progress._trial_created,
    AttemptPlanned: Progress._planned,
    AttemptSubmitted: Progress._submitted_,
    AttemptStarted: Progress._started,
    Reported: Progress._reported,
    StopRequested: Progress._stop_requested,
    AttemptLost: Progress._lost,
    TrialEnded: Progress._trial_ended,
}
