"""The cost and the gain of not waiting for rounds, measured with a simulated clock.

Trials take as long as LCBench's surrogate predicts for the training. The schedule `async` gives a
free slot a new trial at once, `round` waits until the whole round has finished. Both get equal
seeds and slots. Regret is as above. The table shows it after equal numbers of trials, then the
regret of `async` minus that of `round` at the time when `round` has finished that many trials, and
last how many times sooner `async` finishes them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autofinetune.strategies import SCHEDULES, Candidate, create_strategy

from . import metrics, tasks, yahpo
from .method import PARALLEL
from .task import Task

Array = NDArray[np.float64]
METHODS = ("pshe2", "hazero")
COUNTS = (25, 50, 100)


@dataclass(frozen=True)
class Search:
    """Trials in the order in which they finished: when, and with which score."""

    ends: list[float]
    scores: list[float]

    def then(self, moment: float) -> float:
        """The score of the last trial that was over by then."""
        return self.scores[max(1, int(np.searchsorted(self.ends, moment, side="right"))) - 1]


def search(
    task: Task,
    seconds: Callable[[Candidate], float],
    method: str,
    schedule: str,
    seed: int,
    trials: int,
    slots: int = PARALLEL,
) -> Search:
    """Play one search on so many slots."""
    strategy = create_strategy(
        method, task.space, popsize=PARALLEL, seed=seed, schedule=schedule,
        rounds=trials // PARALLEL,
    )  # fmt: skip
    running: list[tuple[float, int, Candidate]] = []
    ends: list[float] = []
    scores: list[float] = []
    now, asked = 0.0, 0
    while len(ends) < trials:
        for candidate in strategy.ask(min(slots - len(running), trials - asked)):
            heapq.heappush(running, (now + seconds(candidate), candidate.id, candidate))
            asked += 1
        now, _, candidate = heapq.heappop(running)
        score = task.evaluate(candidate.params)
        strategy.tell(candidate, score)
        ends.append(now)
        scores.append(score)
    return Search(ends, scores)


def run(
    data: Path, names: Sequence[str], seeds: Sequence[int]
) -> dict[str, list[list[dict[str, list[float]]]]]:
    """Play all searches; cells are by method, task, and (seed, schedule)."""
    found: dict[str, list[list[dict[str, list[float]]]]] = {}
    for method in METHODS:
        found[method] = []
        for name in names:
            task, instance = tasks.load(name, data), name.partition("/")[2]

            def seconds(candidate: Candidate, instance: str = instance) -> float:
                return yahpo.seconds(data, instance, candidate.params)

            both = []
            for seed in seeds:
                for schedule in SCHEDULES:
                    one = search(task, seconds, method, schedule, seed, max(COUNTS))
                    scores = metrics.regret_curve(one.scores, max(COUNTS), task.scale)
                    both.append({"ends": one.ends, "regret": scores.tolist()})
            found[method].append(both)
    return found


def lines(found: dict[str, list[list[dict[str, list[float]]]]]) -> list[str]:
    """A Markdown table; cells are by method, task, and (seed, schedule)."""
    head = [
        "| method | trials | async | round | async - round | at round's time | times sooner |",
        "|---" * 7 + "|",
    ]
    rows = [row for method, cells in found.items() for row in _rows(method, cells)]
    cells = next(iter(found.values()))
    return [*head, *rows, "", f"{len(cells)} instances × {len(cells[0]) // len(SCHEDULES)} seeds."]


def _rows(method: str, cells: list[list[dict[str, list[float]]]]) -> list[str]:

    def table(value: Callable[[Search, Search], float]) -> str:
        values = np.array(
            [
                [
                    value(*(Search(one["ends"], one["regret"]) for one in pair))
                    for pair in zip(task[::2], task[1::2], strict=True)
                ]
                for task in cells
            ]
        )
        low, high = metrics.bootstrap(values)
        return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"

    return [
        f"| {method} | {count} | {' | '.join(map(table, _columns(count - 1)))} |"
        for count in COUNTS
    ]


def _columns(last: int) -> list[Callable[[Search, Search], float]]:
    """What is told of `async` and `round` after trial number `last`."""
    return [
        lambda one, other: one.scores[last],
        lambda one, other: other.scores[last],
        lambda one, other: one.scores[last] - other.scores[last],
        lambda one, other: one.then(other.ends[last]) - other.scores[last],
        lambda one, other: other.ends[last] / one.ends[last],
    ]
