"""Runs the cells that are missing, in worker processes of one thread each."""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from . import cells, methods, tasks

# Of linear algebra and of joblib, or the workers' threads would fight over the cores.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1"
)


def run(
    cache: Path,
    data: Path | None,
    task_names: Sequence[str],
    method_names: Sequence[str],
    seeds: Sequence[int],
    trials: int,
    jobs: int,
    label: str,
) -> int:
    """Fill the cache; the number of cells that failed."""
    usable = []
    for method in method_names:
        if methods.is_available(method):
            usable.append(method)
        else:
            print(f"{method} is left out: its package is not installed in this environment")
    done = cells.current(cache)
    suffix = f"@{label}" if label else ""

    def is_missing(cell: tuple[int, str, str]) -> bool:
        seed, method, task = cell
        known = done.get((task, method + suffix, seed))
        return known is None or known.trials < trials

    # A seed of everything before the next seed: stopped early, it is a smaller but fair sample.
    todo = list(filter(is_missing, itertools.product(seeds, usable, task_names)))
    print(f"{len(todo)} of {len(seeds) * len(usable) * len(task_names)} cells to run", flush=True)
    failed = 0
    os.environ |= ONE_THREAD
    context = multiprocessing.get_context("spawn")
    began = time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = {
            pool.submit(_run, cache, data, task, method, seed, trials, label): (task, method, seed)
            for seed, method, task in todo
        }
        for count, future in enumerate(concurrent.futures.as_completed(waiting), 1):
            trouble = future.result()
            if trouble:
                failed += 1
                print(f"{waiting[future]} failed: {trouble}", file=sys.stderr, flush=True)
            if count % 50 == 0 or count == len(todo):
                print(f"{count} cells in {time.monotonic() - began:.0f} s", flush=True)
    return failed


def _run(
    cache: Path,
    data: Path | None,
    task: str,
    method: str,
    seed: int,
    trials: int,
    label: str,
) -> str:
    """Run one cell and keep it; the empty string, or what went wrong."""
    try:
        cells.append(cache, cells.run(tasks.load(task, data), method, seed, trials, label))
    except Exception:
        return traceback.format_exc()
    return ""
