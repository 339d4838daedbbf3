"""Learning curves: the intermediate reports of trials as merits (higher is better). Pure.

A position is how far a trial has come: the step it reported, counted from 1. If a script counts
from 0, its steps are shifted by one; a step that does not increase counts as the next one.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections import deque
from collections.abc import Iterator

MOST_CURVES = 1000  # the newest ended trials, kept for comparison


class Curve:
    """The reports of one trial: strictly increasing `positions` and as many `merits`."""

    def __init__(self, trial: int) -> None:
        self.trial = trial
        self.positions: list[int] = []
        self.merits: list[float] = []
        self.final: float | None = None
        """The merit of a completed trial, None for any other."""
        self._shift = 0
        self._sums: list[float] = []

    def add(self, step: int, merit: float) -> None:
        if not self.positions:
            self._shift = max(0, 1 - step)
        last = self.positions[-1] if self.positions else 0
        self.positions.append(max(step + self._shift, last + 1))
        self.merits.append(merit)
        self._sums.append(merit + (self._sums[-1] if self._sums else 0.0))

    @property
    def position(self) -> int:
        """The position of the last report; 0 without one."""
        return self.positions[-1] if self.positions else 0

    def mean_until(self, position: int) -> float:
        """Return the mean of all merits up to `position`, which the trial must have reached."""
        count = max(1, bisect.bisect_right(self.positions, position))
        return self._sums[count - 1] / count

    def merit_at(self, position: int) -> float:
        """Return the last merit up to `position`, which the trial must have reached."""
        return self.merits[max(1, bisect.bisect_right(self.positions, position)) - 1]

    def first_from(self, position: int) -> float:
        """Return the first merit from `position` on, which the trial must have reached."""
        return self.merits[bisect.bisect_left(self.positions, position)]


class Curves:
    """The curves of all running and the newest ended trials, excluding failed ones."""

    def __init__(self) -> None:
        self.running: dict[int, Curve] = {}
        self.ended: deque[Curve] = deque(maxlen=MOST_CURVES)
        self.best: float | None = None
        """The best merit of a completed trial."""
        self.furthest = 0
        """The last position of the longest completed trial."""

    def begin(self, trial: int) -> Curve:
        """Begin an attempt, discarding the reports of earlier attempts of the trial."""
        self.running[trial] = curve = Curve(trial)
        return curve

    def complete(self, trial: int, merit: float) -> None:
        curve = self.running.pop(trial)
        curve.final = merit
        self.ended.append(curve)
        self.best = merit if self.best is None else max(self.best, merit)
        self.furthest = max(self.furthest, curve.position)

    def stop(self, trial: int) -> None:
        """Keep the curve of a stopped trial as far as it goes."""
        self.ended.append(self.running.pop(trial))

    def fail(self, trial: int) -> None:
        self.running.pop(trial, None)

    def reaching(self, position: int) -> Iterator[Curve]:
        for curve in (*self.ended, *self.running.values()):
            if curve.position >= position:
                yield curve

    def expected(self, curve: Curve) -> float:
        """Estimate the final merit of a trial with reports, had it continued.

        It is the last merit plus the median gain of completed trials from that position on, or,
        while no trial has completed, the gains so far of all trials that went further.
        """
        position = curve.position
        others = [other for other in self.reaching(position) if other is not curve]
        gains = [c.final - c.merit_at(position) for c in others if c.final is not None]
        if not gains:
            further = (other for other in others if other.position > position)
            gains = [other.merits[-1] - other.merit_at(position) for other in further]
        expected = curve.merits[-1] + (statistics.median(gains) if gains else 0.0)
        return expected if math.isfinite(expected) else curve.merits[-1]
