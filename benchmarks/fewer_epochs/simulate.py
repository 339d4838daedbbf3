"""One search over curves: so many trainings at once, each epoch takes one unit of time.

A search may pause a training and continue it later, which costs its further epochs only, as with a
checkpoint that takes no time to save and load. That is generous to methods that pause: those that
stop could be used where a training cannot be continued. A training that diverges ends as failed at
the epoch whose score is not a number.
"""

from __future__ import annotations

import heapq
import math
import time
from dataclasses import dataclass, field

import numpy as np

from benchmarks.fewer_epochs.curves import Problem
from benchmarks.fewer_epochs.searches import Verdict, create


@dataclass
class Found:
    """Complete trainings in order: epochs spent by then, scores seen, and scores without noise."""

    spent: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    true: list[float] = field(default_factory=list)
    trials: int = 0
    seconds: float = 0.0
    """CPU time of the search itself."""

    def regret(self, problem: Problem, epochs: float) -> float:
        """That of the training that seemed best; 1 is a median one, and also none at all."""
        count = int(np.searchsorted(self.spent, epochs + 1e-9, side="right"))
        if not count:
            return 1.0
        score = self.true[int(np.argmax(self.seen[:count]))]
        return (problem.best - score) / (problem.best - problem.median)


def search(
    problem: Problem, method: str, seed: int, slots: int, budget: float, noise: float = 0.0
) -> Found:
    """Search until `budget` epochs are spent; `noise` is in units of best - median."""
    found = Found()
    length, unit = problem.length, problem.best - problem.median
    made = create(method, problem.space, seed, slots, length)
    events: list[tuple[float, int, int]] = []  # time, trial, position
    true: dict[int, np.ndarray] = {}
    seen: dict[int, np.ndarray] = {}
    paused: dict[int, int] = {}  # trial, position
    began = time.process_time()
    trained = 0.0

    def begin(now: float) -> None:
        nonlocal trained
        number = found.trials
        params = made.ask(number)
        if params is None:
            return
        if isinstance(params, int):
            heapq.heappush(events, (now + 1.0, params, paused.pop(params) + 1))
            return
        found.trials += 1
        before = time.process_time()
        true[number] = problem.curve(params)
        rng = np.random.default_rng([seed, number])
        seen[number] = true[number] + noise * unit * rng.standard_normal(length)
        trained += time.process_time() - before
        heapq.heappush(events, (now + 1.0, number, 1))

    for _ in range(slots):
        begin(0.0)
    while events:
        now, number, position = heapq.heappop(events)
        if now * slots > budget + 1e-9:
            break
        score = float(seen[number][position - 1])
        if math.isnan(score):
            made.failed(number, position)
        elif position == length:
            made.complete(number, position, score)
            found.spent.append(now * slots)
            found.seen.append(score)
            found.true.append(float(true[number][-1]))
        else:
            verdict = made.report(number, position, score)
            if verdict is Verdict.CONTINUE:
                heapq.heappush(events, (now + 1.0, number, position + 1))
                continue
            if verdict is Verdict.PAUSE:
                paused[number] = position
        if number not in paused:
            del true[number], seen[number]
        begin(now)
    found.seconds = time.process_time() - began - trained
    return found
