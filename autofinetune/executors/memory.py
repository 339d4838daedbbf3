"""Runs attempts in no process and no time: for tests, simulations and the conformance suite."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .base import Attempt, Executor, ExitRecord, Handle, JobState, Key, Observation, Report


@dataclass(frozen=True)
class Played:
    """What a simulated attempt does: it takes `seconds`, reports, and exits.

    With `step_seconds` its intermediate reports come one by one at that interval, otherwise with
    its end. `heeds_stop` means that it looks after each of them whether it should stop, and ends.
    """

    final: float | None
    seconds: float = 1.0
    returncode: int = 0
    intermediate: tuple[float, ...] = ()
    step_seconds: float = 0.0
    heeds_stop: bool = True


@dataclass
class _Job:
    played: Played
    began: float
    reported: int = 0
    should_stop: bool = False
    is_cancelled: bool = False

    @property
    def due(self) -> float:
        """When something happens to it next."""
        played = self.played
        if played.step_seconds and self.reported < len(played.intermediate):
            return self.began + (self.reported + 1) * played.step_seconds
        return self.began + played.seconds

    def reports(self, count: int) -> list[Report]:
        """The next intermediate ones."""
        begin, self.reported = self.reported, self.reported + count
        scores = self.played.intermediate[begin : self.reported]
        return [Report("intermediate", s, None, n) for n, s in enumerate(scores, begin + 1)]


class MemoryExecutor(Executor):
    """Plays `program(attempt)` for each attempt; `now` is the simulated time in seconds."""

    def __init__(self, slots: Sequence[str], program: Callable[[Attempt], Played]) -> None:
        self._names = list(slots)
        self._program = program
        self._queue: list[tuple[float, Key]] = []
        self._jobs: dict[Key, _Job] = {}
        self._woken = False
        self.now = 0.0

    def slots(self) -> Sequence[str]:
        return self._names

    def submit(self, attempt: Attempt) -> Handle:
        if attempt.key not in self._jobs:
            job = _Job(self._program(attempt), self.now)
            self._jobs[attempt.key] = job
            heapq.heappush(self._queue, (job.due, attempt.key))
        return {"memory": list(attempt.key)}

    def poll(self, wait_s: float) -> list[Observation]:
        if self._woken or not self._queue:
            self._woken = False
            return []
        if self._queue[0][0] > self.now + wait_s and any(
            job.should_stop for job in self._jobs.values()
        ):
            self.now += wait_s  # whoever asked for a stop counts the seconds
            return []
        self.now, key = heapq.heappop(self._queue)
        job = self._jobs[key]
        played = job.played
        is_step = played.step_seconds > 0 and job.reported < len(played.intermediate)
        if is_step and not job.is_cancelled:
            reports = job.reports(1)
            if not (job.should_stop and played.heeds_stop):
                heapq.heappush(self._queue, (job.due, key))
                return [Observation(key, JobState.RUNNING, tuple(reports))]
            return [self._ended(key, reports, has_result=False)]
        reports = [] if is_step else job.reports(len(played.intermediate))
        return [self._ended(key, reports, has_result=not job.is_cancelled)]

    def _ended(self, key: Key, reports: list[Report], *, has_result: bool) -> Observation:
        job = self._jobs.pop(key)
        if has_result and job.played.final is not None:
            reports.append(Report("final", job.played.final, None, job.reported + 1))
        why, code = ("cancel", -15) if job.is_cancelled else ("exit", job.played.returncode)
        record = ExitRecord(why, code, self.now - job.began)
        return Observation(key, JobState.EXITED, tuple(reports), record)

    def wake(self) -> None:
        self._woken = True

    def request_stop(self, key: Key) -> None:
        if key in self._jobs:
            self._jobs[key].should_stop = True

    def cancel(self, key: Key) -> None:
        if key in self._jobs:
            self._jobs[key].is_cancelled = True
            self._queue = [(self.now if k == key else t, k) for t, k in self._queue]
            heapq.heapify(self._queue)

    def close(self) -> None:
        self._jobs.clear()
        self._queue.clear()
