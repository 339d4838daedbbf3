"""Seconds per suggestion at 100 and at 1,000 finished trials in ten dimensions, on one core.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.search_quality speed

PSHE2 and HAZero search Rosenbrock's function, five trials at a time, and are timed over the
suggestions after that many trials, asking and telling together. GPSampler (when Optuna and torch
are installed) is given the trials of PSHE2 and timed in the same run, so a slow or busy machine is
slow for all; ratios are what to look at.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

from . import methods
from .method import PARALLEL, Asked
from .synthetic import Problem

AT = (100, 1000)
BATCHES = 6
SLOW_BATCHES = 2  # of GPSampler at 1,000 trials, which takes its time
OURS = ("pshe2", "hazero")
GP = "optuna-gp"


def run() -> dict[str, dict[str, float]]:
    """Measure; {method: {trials: seconds}}."""
    problem = Problem("rosenbrock", 10, False)
    found: dict[str, dict[str, float]] = {}
    history: list[tuple[dict[str, Any], float]] = []
    for name in OURS:
        search = methods.make(name, problem.space, AT[-1], 0)
        done = 0
        found[name] = {}
        for trials in AT:
            while done < trials:
                asked, scores, _ = _batch(search, problem)
                done += len(asked)
                if name == OURS[0]:
                    pairs = zip(asked, scores, strict=True)
                    history += [(dict(one.params), score) for one, score in pairs]
            seconds = [_batch(search, problem)[2] for _ in range(BATCHES)]
            done += BATCHES * PARALLEL
            found[name][str(trials)] = statistics.median(seconds)
            print(f"{name} at {trials}: {found[name][str(trials)]:.3f} s", flush=True)
    if methods.is_available(GP):
        found[GP] = {}
        for trials in AT:
            peer: Any = methods.make(GP, problem.space, AT[-1], 0)
            peer.recall(history[:trials])
            count = BATCHES if trials == AT[0] else SLOW_BATCHES
            seconds = [_batch(peer, problem)[2] for _ in range(count)]
            found[GP][str(trials)] = statistics.median(seconds)
            print(f"{GP} at {trials}: {found[GP][str(trials)]:.3f} s", flush=True)
    else:
        print(f"{GP} is left out: its package is not installed in this environment")
    return found


def lines(found: dict[str, dict[str, float]]) -> list[str]:
    """A Markdown table."""
    rows = [
        "| method | " + " | ".join(f"ms at {n} trials | of GPSampler's" for n in AT) + " |",
        "|---" * (1 + 2 * len(AT)) + "|",
    ]
    for name, seconds in found.items():
        cells = []
        for trials in map(str, AT):
            theirs = found.get(GP, {}).get(trials)
            share = f"{seconds[trials] / theirs:.1%}" if theirs else "-"
            cells.append(f"{1000 * seconds[trials]:.0f} | {share}")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def _batch(search: Any, problem: Problem) -> tuple[Sequence[Asked], list[float], float]:
    """Ask, score and tell one batch; the last item is the seconds per suggestion."""
    began = time.perf_counter()
    asked = search.ask(PARALLEL)
    spent = time.perf_counter() - began
    scores = [problem.score(one.params) for one in asked]
    began = time.perf_counter()
    search.tell(asked, scores)
    return asked, scores, (spent + time.perf_counter() - began) / len(asked)
