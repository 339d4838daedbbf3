"""Plays trials with reports to a strategy."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from autofinetune.core.judgement import Judgement
from autofinetune.space import load_space
from autofinetune.strategies import Candidate, Strategy, create_strategy

LINE = load_space({
    "param_list": [
        {"name": "x", "type": "float", "init_value": 0.5, "greater_than": 0.0, "lower_than": 1.0},
    ]
})  # fmt: skip


_QUICK = {"selection_num_warm_up": 300, "selection_num_starting_points": 2}


class Played:
    """A search whose trials report `length` times; the time t runs from 0 to 1."""

    def __init__(self, name: str, length: int, *, announce: bool = False, seed: int = 0) -> None:
        options = _QUICK if name == "gp" else {}
        self.strategy: Strategy = create_strategy(
            name, LINE, popsize=4, seed=seed, options=options
        )
        self.best = -math.inf  # result of a trial that was not stopped
        self.length = length
        self.positions: dict[int, int] = {}
        if announce:
            self.strategy.announce(length)

    def begin(self, x: float | None = None) -> Candidate:
        """Begin a trial of the strategy's choice, or one at `x`."""
        (candidate,) = self.strategy.ask(1)
        if x is not None:
            candidate = dataclasses.replace(candidate, point=(x,), params={"x": x})
        self.positions[candidate.id] = 0
        return candidate

    def report(self, candidate: Candidate, merit: float) -> Judgement | None:
        self.positions[candidate.id] += 1
        self.strategy.report(candidate, self.positions[candidate.id], merit)
        return self.strategy.judge(candidate)

    def complete(self, curve: Callable[[float, float], float]) -> Candidate:
        """Begin a trial and let it run to its end."""
        candidate = self.begin()
        x = candidate.point[0]
        for position in range(1, self.length + 1):
            self.report(candidate, curve(x, position / self.length))
        self.strategy.tell(candidate, curve(x, 1.0))
        return candidate

    def run(self, curve: Callable[[float, float], float], trials: int) -> int:
        """Run trials one after the other, stopping hopeless ones; return how many were stopped."""
        stopped = 0
        for _ in range(trials):
            candidate = self.begin()
            x = candidate.point[0]
            for position in range(1, self.length + 1):
                judged = self.report(candidate, curve(x, position / self.length))
                if judged is not None and judged.is_hopeless and position < self.length:
                    self.strategy.stopped(candidate)
                    self.strategy.tell(candidate, self.strategy.expected(candidate))
                    stopped += 1
                    break
            else:
                self.strategy.tell(candidate, curve(x, 1.0))
                self.best = max(self.best, curve(x, 1.0))
        return stopped
