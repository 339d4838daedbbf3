"""Which models of a population may still be worth continuing. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from typing import NamedTuple

KEPT = 2  # times popsize: trials that beat a model before it is left behind


class Scored(NamedTuple):
    """A trial with its merit, higher is better, and how many trials its chain has."""

    trial: int
    merit: float
    age: int


def promising(trials: Iterable[Scored], most: int) -> set[int]:
    """Return the trials that fewer than `most` others beat at no higher age.

    Of equal ones the earlier trial is better. A trial that is left out stays so whatever comes
    later, so its model may be removed.
    """
    found: set[int] = set()
    better: list[int] = []  # ages of all better trials, sorted
    for trial, _, age in sorted(trials, key=lambda one: (-one.merit, one.trial)):
        if bisect.bisect_right(better, age) < most:
            found.add(trial)
        bisect.insort(better, age)
    return found
