"""Runs attempts in no process and no time: for tests, simulations and the conformance suite."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .base import Attempt, Executor, ExitRecord, Handle, JobState, Key, Observation, Report


@dataclass(frozen=True)
class Played:
    """What a simulated attempt does: it takes `seconds`, reports, and exits."""

    final: float | None
    seconds: float = 1.0
    returncode: int = 0
    intermediate: tuple[float, ...] = ()


class MemoryExecutor(Executor):
    """Plays `program(attempt)` for each attempt; `now` is the simulated time in seconds."""

    def __init__(self, slots: Sequence[str], program: Callable[[Attempt], Played]) -> None:
        self._names = list(slots)
        self._program = program
        self._queue: list[tuple[float, Key]] = []
        self._jobs: dict[Key, tuple[Played, bool]] = {}
        self._woken = False
        self.now = 0.0

    def slots(self) -> Sequence[str]:
        return self._names

    def submit(self, attempt: Attempt) -> Handle:
        if attempt.key not in self._jobs:
            played = self._program(attempt)
            self._jobs[attempt.key] = played, False
            heapq.heappush(self._queue, (self.now + played.seconds, attempt.key))
        return {"memory": list(attempt.key)}

    def poll(self, wait_s: float) -> list[Observation]:
        if self._woken or not self._queue:
            self._woken = False
            return []
        self.now, key = heapq.heappop(self._queue)
        played, cancelled = self._jobs.pop(key)
        scores = [("intermediate", s) for s in played.intermediate]
        if played.final is not None and not cancelled:
            scores.append(("final", played.final))
        reports = [
            Report(kind, score, None, index + 1) for index, (kind, score) in enumerate(scores)
        ]
        why, code = ("cancel", -15) if cancelled else ("exit", played.returncode)
        record = ExitRecord(why, code, played.seconds)
        return [Observation(key, JobState.EXITED, tuple(reports), record)]

    def wake(self) -> None:
        self._woken = True

    def cancel(self, key: Key) -> None:
        if key in self._jobs:
            self._jobs[key] = self._jobs[key][0], True
            self._queue = [(self.now if k == key else t, k) for t, k in self._queue]
            heapq.heapify(self._queue)

    def close(self) -> None:
        self._jobs.clear()
        self._queue.clear()
