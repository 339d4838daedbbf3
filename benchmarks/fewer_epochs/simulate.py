"""One search over curves: so many trainings at once, each epoch takes one unit of time."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field

import numpy as np

from benchmarks.fewer_epochs.curves import Problem
from benchmarks.fewer_epochs.searches import create


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
    began = time.process_time()
    trained = 0.0

    def begin(now: float) -> None:
        nonlocal trained
        number, found.trials = found.trials, found.trials + 1
        params = made.ask(number)
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
        if position == length:
            made.complete(number, position, score)
            found.spent.append(now * slots)
            found.seen.append(score)
            found.true.append(float(true[number][-1]))
        elif not made.report(number, position, score):
            heapq.heappush(events, (now + 1.0, number, position + 1))
            continue
        del true[number], seen[number]
        begin(now)
    found.seconds = time.process_time() - began - trained
    return found
