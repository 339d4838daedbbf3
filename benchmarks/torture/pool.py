"""Pieces of a part, spread over worker processes; each has a nursery of its own."""

from __future__ import annotations

import functools
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.faults.harness import FaultRun, Tally
from tests.nursery import Nursery

from .rows import Outcome

_TELL_EVERY_S = 60.0
T = TypeVar("T")

KINDS = {
    "I1": "lost results",
    "I2": "orphans",
    "I3": "shared slots",
    "I4": "double tells",
    **dict.fromkeys(("I5", "I6", "I7", "I8", "I9"), "wrong files"),
}
FAILED = "failed resumes"  # what no invariant covers: the way on failed, or led elsewhere
SEARCHES = ("hazero", "pshe2")  # the strategies of the runs
RUN_KINDS = [*dict.fromkeys(KINDS.values()), FAILED]


@dataclass
class Bench:
    """Where the runs of a worker lie, and what they share."""

    root: Path
    nursery: Nursery
    made: int = 0

    def directory(self) -> Path:
        self.made += 1
        path = self.root / f"run{self.made}"
        path.mkdir()
        return path

    def run(self, **fields: Any) -> FaultRun:
        """A new run with its own directory."""
        return FaultRun(self.directory(), self.nursery, **fields)


@functools.cache
def _bench(root: str) -> Bench:
    place = Path(root) / f"worker{os.getpid()}"
    place.mkdir()
    return Bench(place, Nursery())


def _do(work: Callable[[Bench, T], Outcome], unit: T, root: str) -> Outcome:
    bench = _bench(root)
    try:
        return work(bench, unit)
    except Exception:  # it must not cost what all other pieces found
        outcome = Outcome()
        outcome.violate(FAILED, f"{unit}: {traceback.format_exc()[-600:]}")
        return outcome
    finally:
        for path in bench.root.iterdir():
            shutil.rmtree(path, ignore_errors=True)


def spread(work: Callable[[Bench, T], Outcome], units: Sequence[T], jobs: int) -> Outcome:
    """The sum of what all units came to."""
    total = Outcome()
    told = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="torture") as root,
        ProcessPoolExecutor(jobs, context) as pool,
    ):
        waiting = [pool.submit(_do, work, unit, root) for unit in units]
        for number, future in enumerate(as_completed(waiting), 1):
            outcome = future.result()
            total.add(outcome)
            for kind, text in outcome.violations:  # at once: the whole may take hours
                print(f"  {kind}: {text}", file=sys.stderr)
            if number < len(units) and time.monotonic() - told > _TELL_EVERY_S:
                told = time.monotonic()
                found = len(total.violations)
                print(f"  {number} of {len(units)} pieces, {found} violations", file=sys.stderr)
    return total


def outcome_of(tally: Tally, what: str) -> Outcome:
    """What the harness counted, each violation with its kinds."""
    outcome = Outcome()
    outcome.done.update({what: tally.faults, "runs": tally.runs})
    for sentence in tally.violations:
        kinds = {kind for mark, kind in KINDS.items() if f": {mark} " in sentence}
        for kind in kinds or {FAILED}:
            outcome.violate(kind, sentence)
    return outcome


def shares(count: int, most: int) -> list[int]:
    """`count` in pieces of at most `most`."""
    return [min(most, count - first) for first in range(0, count, most)]
