"""The trials of a search with their learning curves, reduced to what a surrogate learns from.

A training is judged at a few positions, the rungs, which lie at `SHARES` of a whole training. The
length of a whole training is that of the longest complete one; until one is complete it is as
announced, or unknown. Positions count from 1, merits are higher for better trials.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .noise import roughness, steady

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
SHARES = (1 / 9, 1 / 4, 1 / 2)
RUNNING, COMPLETE, STOPPED, FAILED = range(4)
_MOST_REPORTS = 400  # kept of a training; of more, every second one is dropped
_HUGE = 2.0**400  # merits beyond it count as this, so that no square overflows


class Seen(NamedTuple):
    """A training at a rung, counted from 0: `order` is that of its report among all reports.

    `merit` is the last report with less noise, and `roughness` the variance of the noise of a
    report, NaN from too few of them.
    """

    rung: int
    position: int
    merit: float
    order: int
    roughness: float


class Training:
    """One trial: its `point` `(dim,)`, its reports, and how it ended."""

    def __init__(self, number: int, point: Sequence[float]) -> None:
        self.number = number
        self.point = tuple(point)
        self.positions: list[int] = []
        self.merits: list[float] = []
        self.orders: list[int] = []
        self.seen: list[Seen] = []
        self.status = RUNNING
        self.final = math.nan
        """The merit of a complete training."""
        self.end = math.inf
        """The order of its result among all reports."""

    @property
    def position(self) -> int:
        """The position of the last report, 0 without one."""
        return self.positions[-1] if self.positions else 0

    def add(self, position: int, merit: float, order: int) -> None:
        self.positions.append(position)
        self.merits.append(merit)
        self.orders.append(order)
        if len(self.positions) > _MOST_REPORTS:
            for column in (self.positions, self.merits, self.orders):
                del column[-2::-2]  # the newest one stays

    def look(self, rungs: Sequence[int], first: int = 0) -> None:
        """Note the training at the rungs that it has reached, from number `first` on."""
        for rung in range(first, len(rungs)):
            if rungs[rung] > self.position:
                break
            at = bisect.bisect_left(self.positions, rungs[rung])
            if self.seen and self.seen[-1].position == self.positions[at]:
                self.seen.pop()  # one report reached both
            merits = self.merits[: at + 1]
            variance = roughness(merits)
            merit = steady(self.positions[: at + 1], merits, variance)
            order = self.orders[at]
            self.seen.append(Seen(rung, self.positions[at], merit, order, variance))


class Rows(NamedTuple):
    """Observations for a surrogate; `hats` are the expected finals, by training.

    `owners` `(n,)` are indices of trainings, `rungs` `(n,)` where each was seen, the end being one
    rung more, `ahead` `(n,)` how much of the training was left, see `left`, and `merits` `(n,)`
    what was seen plus the median gain of others until the end.
    """

    owners: NDArray[np.intp]
    rungs: NDArray[np.intp]
    ahead: Array
    merits: Array
    hats: Array


class Trainings:
    """All trials of a search in the order of their first report or result."""

    def __init__(self) -> None:
        self._all: dict[int, Training] = {}
        self._announced = 0
        self._longest = 0  # complete training
        self._count = 0  # reports and results so far
        self._rungs: list[int] = []
        self._known = 0  # rungs reached and results
        self._news = 0  # rungs reached and results since the last checkpoint
        self.checkpoint = 0
        """Only what came before this many reports and results was known at the last checkpoint."""

    def __iter__(self) -> Iterator[Training]:
        return iter(self._all.values())

    def __getitem__(self, number: int) -> Training:
        return self._all[number]

    def __contains__(self, number: int) -> bool:
        return number in self._all

    @property
    def length(self) -> int:
        """The positions of a whole training, 0 while that is unknown."""
        if self._longest:
            return self._longest
        furthest = max((one.position for one in self), default=0)
        return self._announced if furthest <= self._announced else 0

    @property
    def rungs(self) -> Sequence[int]:
        return self._rungs

    def announce(self, length: int) -> None:
        """Assume a length while no training is complete and none is longer."""
        self._announced = length
        self._measure()

    def report(self, number: int, point: Sequence[float], position: int, merit: float) -> bool:
        """Add a report; return whether it reached a rung."""
        one = self._all.setdefault(number, Training(number, point))
        if position <= one.position:  # another attempt
            one = self._all[number] = Training(number, point)
        one.add(position, _bounded(merit), self._tick())
        if not self._longest and position > self._announced:
            self._measure()
        before = len(one.seen)
        one.look(self._rungs, one.seen[-1].rung + 1 if one.seen else 0)
        has_reached = len(one.seen) > before or bool(
            one.seen and one.seen[-1].order == self._count
        )
        self._advance(has_reached)
        return has_reached

    def finish(self, number: int, point: Sequence[float], merit: float) -> None:
        """Add the result of a training that took its whole time, or NaN if it failed."""
        one = self._all.setdefault(number, Training(number, point))
        one.end = self._tick()
        if math.isnan(merit):
            one.status = FAILED
        else:
            one.status, one.final = COMPLETE, _bounded(merit)
            if one.position > self._longest:
                self._longest = one.position
                self._measure()
        self._advance(True)

    def stop(self, number: int, point: Sequence[float]) -> None:
        """Note that a training was stopped early."""
        one = self._all.setdefault(number, Training(number, point))
        one.end, one.status = self._tick(), STOPPED
        self._advance(is_news=False)

    def is_stopped(self, number: int) -> bool:
        return number in self._all and self._all[number].status == STOPPED

    def _tick(self) -> int:
        self._count += 1
        return self._count

    def _advance(self, is_news: bool) -> None:
        self._news += is_news
        self._known += is_news
        if self._news >= min(CHECK_EVERY, 1 + self._known // 4):
            self._news, self.checkpoint = 0, self._count

    def _measure(self) -> None:
        """Set the rungs again after the length has changed."""
        length = self.length
        found = {math.ceil(share * length) for share in SHARES}
        rungs = sorted(rung for rung in found if 0 < rung < length)
        if rungs != self._rungs:
            self._rungs = rungs
            self._news, self.checkpoint = 0, self._count  # what was known before looks different
            for one in self:
                one.seen.clear()
                one.look(rungs)

    @property
    def have_rungs(self) -> bool:
        """Whether any training was seen at a rung."""
        return any(one.seen for one in self)

    def at_rung(self, number: int) -> Seen | None:
        """Return the rung that the last report of a training reached, or None."""
        one = self._all.get(number)
        if one is None or not one.seen or one.seen[-1].order != one.orders[-1]:
            return None
        return one.seen[-1]

    def noise(self, until: float) -> float:
        """Return the variance of the noise of reports before number `until`."""
        found = [
            seen.roughness
            for one in self
            for seen in _last(seen for seen in one.seen if seen.order <= until)
            if not math.isnan(seen.roughness)
        ]
        return float(np.median(found)) if found else 0.0

    def rows(
        self, trainings: Sequence[Training], until: float = math.inf, kept: Mask | None = None
    ) -> Rows:
        """Return what was known of `trainings` after `until` reports and results.

        Only rungs that are `kept` count, `(rungs + 1,)`; all by default.
        """
        # Rung number len(rungs) is the end, where all failed ones are as bad as the worst.
        ends = len(self._rungs)
        table = np.full((len(trainings), ends + 1), np.nan)
        places = np.zeros((len(trainings), ends + 1))
        for row, one in enumerate(trainings):
            if one.status == FAILED and one.end <= until:
                continue
            for seen in one.seen:
                if seen.order <= until:
                    table[row, seen.rung], places[row, seen.rung] = seen.merit, seen.position
            if one.status == COMPLETE and one.end <= until:
                table[row, ends] = one.final
        if kept is not None:
            table[:, ~kept] = np.nan
        offsets = _gains(table)
        table += offsets
        hats = _last_known(table)
        failed = [row for row, one in enumerate(trainings)
                  if one.status == FAILED and one.end <= until]  # fmt: skip
        if failed:
            table[failed, ends] = hats[failed] = (
                np.nanmin(hats) if np.isfinite(hats).any() else 0.0
            )
        owners, rungs = np.nonzero(np.isfinite(table))
        ahead = left(np.where(rungs < ends, places[owners, rungs], self.length), self.length)
        return Rows(owners, rungs, ahead, table[owners, rungs], hats)


CHECK_EVERY = 10


def left(positions: Array, length: int) -> Array:
    """Return log(length / position) / 4, 0 at the end and 1 after a fiftieth of a training."""
    return np.asarray(np.log(length / np.maximum(positions, 1.0)) / 4.0)


def _gains(table: Array) -> Array:
    """Return the median gain from each rung to the end, by those that reached the next rung."""
    offsets = np.zeros(table.shape[1])
    used = np.flatnonzero(np.isfinite(table).any(0))
    for rung, after in zip(used[-2::-1], used[:0:-1], strict=True):
        gains = table[:, after] - table[:, rung]
        gains = gains[np.isfinite(gains)]
        offsets[rung] = offsets[after] + (np.median(gains) if len(gains) else 0.0)
    return offsets


def _last_known(table: Array) -> Array:
    """Return the last finite value of each row, NaN if there is none."""
    known = np.isfinite(table)
    last = table.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    return np.where(known.any(1), table[np.arange(len(table)), last], np.nan)


def _last(found: Iterable[Seen]) -> list[Seen]:
    return list(found)[-1:]


def _bounded(merit: float) -> float:
    return min(max(merit, -_HUGE), _HUGE)
