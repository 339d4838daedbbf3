"""Decide what follows from a finished attempt: its trial ends, or the attempt does not count."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from autofinetune.config.safety import Safety
from autofinetune.config.scoring import NO_METRIC, Scoring, Values
from autofinetune.core.events import AttemptLost, Event, SlotQuarantined, TrialEnded
from autofinetune.core.slot import Slot
from autofinetune.core.state import FAST_FAILURE_S, SUSPECT_SLOT, State, Trial
from autofinetune.core.status import Status
from autofinetune.executors import ExitRecord, Observation
from autofinetune.run.stopping import Stopping
from autofinetune.run.verdict import SUCCESS, Verdict, how_it_ended, judge
from autofinetune.run.whereabouts import MOVED
from autofinetune.store.paths import RunPaths


@dataclass(frozen=True)
class Endings:
    """Turns finished attempts into events, without changing anything itself."""

    safety: Safety
    scoring: Scoring
    paths: RunPaths
    state: State
    slots: Callable[[], Sequence[Slot]]
    stopping: Stopping
    now: Callable[[], float]

    def of(
        self, observation: Observation, values: Values, *, was_moved: bool = False
    ) -> Iterator[Event]:
        """Yield the events that follow from a finished attempt that reported `values`.

        With `was_moved` the directory was moved during the attempt, so a failure does not count.
        """
        trial = self.state.trials[observation.key[0]]
        is_success = how_it_ended(observation.exit) == SUCCESS
        verdict = judge(
            observation.exit,
            values.scores(self.scoring, is_success=is_success),
            strict_exit=self.safety.strict_exit,
            missing=NO_METRIC if self.scoring.is_logged else "no_result",
        )
        estimate = None
        if trial.stop_reason:  # a result would come from an incomplete training
            verdict = Verdict(Status.STOPPED, trial.stop_reason, self.stopping.score(trial))
            estimate = self.stopping.estimate(trial)
        seconds = self._seconds(trial, observation.exit)
        trouble = _slot_trouble(trial, observation)
        if trouble:
            # Memory that is not released affects the whole card; a leftover process only its slot.
            for slot in self._beside(trial.slot) if observation.held_bytes else [trial.slot]:
                yield SlotQuarantined(self.now(), slot, trouble)
        again = self._reason_to_run_again(trial, verdict, seconds)
        if was_moved and verdict.status is Status.FAILED:
            again = MOVED
        if again:
            yield AttemptLost(self.now(), trial.id, trial.attempt, again)
            return
        assert verdict.status is not None
        if verdict.status is Status.COMPLETED and trial.avoid:
            yield from self._blame(trial)
        yield TrialEnded(
            at=self.now(),
            trial=trial.id,
            attempt=trial.attempt,
            status=verdict.status.value,
            reason=verdict.reason,
            score=verdict.score,
            seconds=seconds,
            has_model=self._has_model(trial),
            estimate=estimate,
        )

    def _has_model(self, trial: Trial) -> bool:
        """Return whether the trial saved a model; the target of a link is not the trial's."""
        place = self.paths.place_of(self.paths.model(trial.round, trial.member))
        try:
            with place.opened() as here, os.scandir(here) as entries:
                return any(True for _ in entries)
        except OSError:
            return False

    def _blame(self, trial: Trial) -> Iterator[SlotQuarantined]:
        """Quarantine the slot on which a trial failed that has now completed on another device.

        This includes other slots of that device whose last trial failed quickly. A slot whose
        trials complete is kept: it shows that the card works and is only crowded.
        """
        if trial.slot.shares_device(trial.avoid):
            return
        for slot in self._beside(trial.avoid):
            is_failing = slot == trial.avoid or self.state.slot_failures.get(slot, 0) > 0
            if is_failing and slot not in self.state.quarantined:
                where = "there" if slot == trial.avoid else f"on {trial.avoid}"
                reason = f"trial {trial.id} failed {where} quickly and completed on {trial.slot}"
                yield SlotQuarantined(self.now(), slot, reason)

    def _reason_to_run_again(self, trial: Trial, verdict: Verdict, seconds: float) -> str:
        """Return why this attempt does not count, or an empty string."""
        if verdict.status is None:
            return verdict.reason
        if verdict.status is not Status.FAILED:
            return ""
        if self.safety.may_retry(trial, verdict.reason):
            return verdict.reason
        beside = self._beside(trial.slot)
        others = set(self.slots()) - {*beside} - self.state.quarantined.keys()
        is_suspect = (
            seconds < FAST_FAILURE_S
            and any(self.state.slot_failures.get(slot, 0) > 0 for slot in beside)
            and bool(others & self.state.good_slots)
            and SUSPECT_SLOT not in trial.lost
        )
        return SUSPECT_SLOT if is_suspect else ""

    def _seconds(self, trial: Trial, record: ExitRecord | None) -> float:
        if record is not None:
            return record.seconds
        now = self.now()
        return max(0.0, now - (now if trial.started_at is None else trial.started_at))

    def _beside(self, slot: Slot) -> list[Slot]:
        """Return the slots of the same device, including this one."""
        return [s for s in self.slots() if s.shares_device(slot)]


def _slot_trouble(trial: Trial, observation: Observation) -> str:
    """Return why the slot of a finished trial cannot be used again, or an empty string."""
    if observation.exit is not None and observation.exit.survivors:
        pids = ", ".join(map(str, observation.exit.survivors))
        return f"processes of trial {trial.id} cannot be killed: {pids}"
    if observation.held_bytes:
        held = observation.held_bytes / 2**30
        return f"{held:.1f} GiB of the card's memory were not released after trial {trial.id}"
    return ""
