"""Runs searches and keeps what they found, a line each, in a file."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import json
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fewer_epochs import curves
from benchmarks.fewer_epochs.simulate import Found, search
from benchmarks.search_quality.runner import ONE_THREAD

TRIALS = 100  # whole trainings whose epochs a search may spend; half of them with an assessor


@dataclasses.dataclass(frozen=True)
class Key:
    """What identifies a search."""

    problem: str
    method: str
    seed: int
    slots: int
    noise: float


def run(wanted: Sequence[Key], path: Path, data: Path | None, jobs: int) -> None:
    """Append to the file the searches that it lacks."""
    found = read(path)
    missing = [key for key in wanted if key not in found]
    os.environ |= ONE_THREAD
    context = multiprocessing.get_context("spawn")  # numpy reads the environment when loaded
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
        searches = pool.map(functools.partial(_run, data=data), missing)
        for key, one in zip(missing, searches, strict=True):
            record = dataclasses.asdict(key) | dataclasses.asdict(one)
            with path.open("a") as file:
                file.write(json.dumps(record) + "\n")


def _run(key: Key, data: Path | None) -> Found:
    problem = curves.load(key.problem, data)
    is_whole = "+" not in key.method
    budget = problem.length * TRIALS * (1.0 if is_whole else 0.5)
    return search(problem, key.method, key.seed, key.slots, budget, key.noise)


def read(path: Path) -> dict[Key, Found]:
    """Return the searches of a file of results."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        record = json.loads(line)
        key = Key(**{field.name: record.pop(field.name) for field in dataclasses.fields(Key)})
        found[key] = Found(**record)
    return found
