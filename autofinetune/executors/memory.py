"""Simulates attempts without processes or waiting, for tests and the conformance suite."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autofinetune.core.slot import Slot
from autofinetune.executors.devices.slots import Slots

from .base import Attempt, Executor, ExitRecord, Handle, JobState, Key, Observation, Report


@dataclass(frozen=True)
class Played:
    """What a simulated attempt does: it takes `seconds`, reports, and exits.

    With `step_seconds`, its intermediate reports come one by one at that interval; otherwise all
    come at its end. When asked to stop, it ends after `stop_seconds`, or ignores it if that is
    None.
    """

    final: float | None
    seconds: float = 1.0
    returncode: int = 0
    intermediate: tuple[float, ...] = ()
    step_seconds: float = 0.0
    stop_seconds: float | None = 0.0


@dataclass
class _Job:
    played: Played
    began: float
    is_started: bool
    reported: int = 0
    why: str = "exit"
    ends_early_at: float = math.inf

    @property
    def due(self) -> float:
        """The time of its next event."""
        if not self.is_started:
            return min(self.began, self.ends_early_at)
        after = self.played.seconds
        if self.is_to_report:
            after = (self.reported + 1) * self.played.step_seconds
        return min(self.began + after, self.ends_early_at)

    @property
    def is_to_report(self) -> bool:
        return self.played.step_seconds > 0 and self.reported < len(self.played.intermediate)


class MemoryExecutor(Executor):
    """Plays `program(attempt)` for each attempt; `now` is the simulated time in seconds.

    Every attempt first waits `queue_s` seconds in a queue.
    """

    def __init__(
        self, slots: Sequence[str], program: Callable[[Attempt], Played], queue_s: float = 0.0
    ) -> None:
        self.can_change_slots = True
        self.has_queue = queue_s > 0
        self._queue_s = queue_s
        self._slots = [Slot.read(name) for name in slots]
        self._program = program
        self._jobs: dict[Key, _Job] = {}
        self._woken = False
        self._is_timed = False  # the caller measures the time until a stop
        self.now = 0.0

    def slots(self) -> Sequence[Slot]:
        return self._slots

    def change_slots(self, slots: Slots) -> None:
        self._slots = [place.name for place in slots.places]

    def submit(self, attempt: Attempt) -> Handle:
        if attempt.key not in self._jobs:
            began = self.now + self._queue_s
            self._jobs[attempt.key] = _Job(self._program(attempt), began, not self.has_queue)
        return {"memory": list(attempt.key)}

    def poll(self, wait_s: float) -> list[Observation]:
        if self._woken or not self._jobs:
            self._woken = False
            return []
        due, key = min((job.due, key) for key, job in self._jobs.items())
        if self._is_timed and due > self.now + wait_s:
            self.now += wait_s
            return []
        self.now = max(self.now, due)
        job = self._jobs[key]
        if not job.is_started and self.now < job.ends_early_at:
            job.is_started = True
            return [Observation(key, JobState.RUNNING)]
        if job.is_to_report and self.now < job.ends_early_at:
            return [Observation(key, JobState.RUNNING, tuple(_reports(job, 1)))]
        return [self._ended(key)]

    def _ended(self, key: Key) -> Observation:
        job = self._jobs.pop(key)
        is_whole = self.now < job.ends_early_at
        played = job.played
        # Reports without an interval come with the end, however early that is.
        reports = [] if job.is_to_report else _reports(job, len(played.intermediate))
        if is_whole and played.final is not None:
            reports.append(Report("final", played.final, None, job.reported + 1))
        code = -15 if job.why == "cancel" else played.returncode
        record = ExitRecord(job.why, code, max(0.0, self.now - job.began))
        return Observation(key, JobState.EXITED, tuple(reports), record)

    def wake(self) -> None:
        self._woken = True

    def request_stop(self, key: Key) -> None:
        if key in self._jobs:
            job = self._jobs[key]
            self._is_timed = True
            if job.played.stop_seconds is not None:
                job.ends_early_at = min(job.ends_early_at, self.now + job.played.stop_seconds)

    def cancel(self, key: Key) -> None:
        if key in self._jobs:
            job = self._jobs[key]
            job.why, job.ends_early_at = "cancel", self.now

    def close(self) -> None:
        self._jobs.clear()


def _reports(job: _Job, count: int) -> list[Report]:
    """Return the next `count` intermediate reports."""
    begin, job.reported = job.reported, job.reported + count
    scores = job.played.intermediate[begin : job.reported]
    return [Report("intermediate", score, None, n) for n, score in enumerate(scores, begin + 1)]
