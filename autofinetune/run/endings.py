"""What becomes of an attempt that is over: its trial ends, or the attempt does not count."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from autofinetune.config.safety import Safety
from autofinetune.config.scoring import NO_METRIC, Scoring, Values
from autofinetune.core.events import AttemptLost, Event, SlotQuarantined, TrialEnded
from autofinetune.core.state import FAST_FAILURE_S, SUSPECT_SLOT, State, Status, Trial, device_of
from autofinetune.executors import ExitRecord, Observation
from autofinetune.run.stopping import Stopping
from autofinetune.run.verdict import SUCCESS, Verdict, how_it_ended, judge
from autofinetune.run.whereabouts import MOVED
from autofinetune.store.paths import RunPaths


class Endings:
    """Makes the events of ends; it only looks at what it is given.

    Args:
        safety: what counts as an end, and how often an attempt is repeated.
        scoring: where a score comes from that the script does not report.
        paths: where models lie.
        state: that of the run.
        slots: gives all of them.
        stopping: what stopped trials would have come to.
        now: the wall clock.
    """

    def __init__(
        self,
        safety: Safety,
        scoring: Scoring,
        paths: RunPaths,
        state: State,
        slots: Callable[[], Sequence[str]],
        stopping: Stopping,
        now: Callable[[], float],
    ) -> None:
        self._safety = safety
        self._scoring = scoring
        self._paths = paths
        self._state = state
        self._slots = slots
        self._stopping = stopping
        self._now = now

    def of(
        self, observation: Observation, values: Values, *, was_moved: bool = False
    ) -> Iterator[Event]:
        """Yield what follows when an attempt is over that reported `values`.

        With `was_moved` its directory was moved meanwhile, so that a failure does not count.
        """
        trial = self._state.trials[observation.key[0]]
        verdict = self._verdict(observation.exit, values)
        estimate = None
        if trial.stop_reason:  # however it ended: a result would be one of half a training
            verdict = Verdict(Status.STOPPED, trial.stop_reason, self._stopping.score(trial))
            estimate = self._stopping.estimate(trial)
        seconds = self._seconds(trial, observation.exit)
        trouble = _slot_trouble(trial, observation)
        if trouble:
            # Memory belongs to the card; a process that stays takes one place there.
            for slot in self._beside(trial.slot) if observation.held_bytes else [trial.slot]:
                yield SlotQuarantined(self._now(), slot, trouble)
        again = self._reason_to_run_again(trial, verdict, seconds)
        if was_moved and verdict.status is Status.FAILED:
            again = MOVED
        if again:
            yield AttemptLost(self._now(), trial.id, trial.attempt, again)
            return
        status = verdict.status
        assert status is not None
        if status is Status.COMPLETED and trial.avoid:
            yield from self._blame(trial)
        yield TrialEnded(
            at=self._now(),
            trial=trial.id,
            attempt=trial.attempt,
            status=status.value,
            reason=verdict.reason,
            score=verdict.score,
            seconds=seconds,
            has_model=self._has_model(trial),
            estimate=estimate,
        )

    def _verdict(self, record: ExitRecord | None, values: Values) -> Verdict:
        is_success = how_it_ended(record) == SUCCESS
        return judge(
            record,
            values.scores(self._scoring, is_success=is_success),
            strict_exit=self._safety.strict_exit,
            missing=NO_METRIC if self._scoring.is_logged else "no_result",
        )

    def _has_model(self, trial: Trial) -> bool:
        """Whether it has put something there; what a link leads to is not the trial's."""
        place = self._paths.place_of(self._paths.model(trial.round, trial.member))
        try:
            with place.opened() as here, os.scandir(here) as entries:
                return any(True for _ in entries)
        except OSError:
            return False

    def _blame(self, trial: Trial) -> Iterator[SlotQuarantined]:
        """A trial completed that had failed elsewhere: on that device nothing more is started.

        Beside the slot where it failed this means those whose own last trial failed at once; one
        whose trials complete shows that the card works and is only crowded.
        """
        if device_of(trial.slot) == device_of(trial.avoid):
            return
        for slot in self._beside(trial.avoid):
            is_failing = slot == trial.avoid or self._state.slot_failures.get(slot, 0) > 0
            if is_failing and slot not in self._state.quarantined:
                where = "there" if slot == trial.avoid else f"on {trial.avoid}"
                reason = f"trial {trial.id} failed {where} at once and completed on {trial.slot}"
                yield SlotQuarantined(self._now(), slot, reason)

    def _reason_to_run_again(self, trial: Trial, verdict: Verdict, seconds: float) -> str:
        """Why this attempt does not count, or nothing."""
        if verdict.status is None:
            return verdict.reason
        if verdict.status is not Status.FAILED:
            return ""
        if self._safety.may_retry(trial, verdict.reason):
            return verdict.reason
        beside = self._beside(trial.slot)
        others = set(self._slots()) - {*beside} - self._state.quarantined.keys()
        is_suspect = (
            seconds < FAST_FAILURE_S
            and any(self._state.slot_failures.get(slot, 0) > 0 for slot in beside)
            and bool(others & self._state.good_slots)
            and SUSPECT_SLOT not in trial.lost
        )
        return SUSPECT_SLOT if is_suspect else ""

    def _seconds(self, trial: Trial, record: ExitRecord | None) -> float:
        if record is not None:
            return record.seconds
        return max(0.0, self._now() - (trial.started_at or 0.0))

    def _beside(self, slot: str) -> list[str]:
        """The slots of the same device, this one included."""
        return [s for s in self._slots() if device_of(s) == device_of(slot)]


def _slot_trouble(trial: Trial, observation: Observation) -> str:
    """Why the slot of a trial that ended cannot be used again, or nothing."""
    if observation.exit is not None and observation.exit.survivors:
        pids = ", ".join(map(str, observation.exit.survivors))
        return f"processes of trial {trial.id} cannot be ended: {pids}"
    if observation.held_bytes:
        held = observation.held_bytes / 2**30
        return f"{held:.1f} GiB of the card's memory did not come back after trial {trial.id}"
    return ""
