"""From a slot falling free to the next train.py's first line, with and without --preload.

A slot is free when nothing of its trial lives: then its runner writes the exit record. Beside
both ways `python train.py` is started by itself; all are measured in turn, so that a machine that
changes its speed changes it for all.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autofinetune.runner.files import EXIT
from autofinetune.store.paths import RunPaths

from .runs import machine, tune

TRAIN = """
import time
first = time.time()
import {module}
imported = time.time()
import json, os
from autofinetune import report_final_result
time.sleep(0.3)
if "AUTOFINETUNE_TRIAL" in os.environ:
    report_final_result(0.5)
with open({lines!r}, "a") as file:
    file.write(json.dumps([os.environ.get("AUTOFINETUNE_TRIAL"), first, imported]) + "\\n")
"""
PARTS = 4  # in which the measurement takes turns
Gap = tuple[float, float]  # seconds to the first line, and to the one after the import


def measure(module: str, trials: int) -> str:
    """The medians, and how much sooner than by itself a preloaded script is ready."""
    before = machine()
    gaps: dict[str, list[Gap]] = {"by itself": [], "plain": [], "preloaded": []}
    for _ in range(PARTS):
        gaps["by itself"] += _alone(module, trials // PARTS)
        gaps["plain"] += _tuned(module, trials // PARTS, ())
        gaps["preloaded"] += _tuned(module, trials, (f"--preload={module}",))
    lines = [f"{module} ({before})"]
    for name, found in gaps.items():
        first, ready = zip(*found, strict=True)
        lines.append(
            f"    {name}, {len(found)} starts: first line after {_told(first)}, "
            f"{module} imported after {_told(ready)}"
        )
    alone, preloaded = (
        statistics.median(ready for _, ready in gaps[name]) for name in ("by itself", "preloaded")
    )
    return "\n".join(
        [*lines, f"    preloaded: {alone / preloaded:.0f} times sooner than by itself"]
    )


def _told(seconds: Sequence[float]) -> str:
    median, worst = np.percentile(1000 * np.array(seconds), [50, 95])
    return f"{median:.0f} ms (95 %: {worst:.0f})"


def _script(root: Path, module: str) -> str:
    return TRAIN.format(module=module, lines=str(root / "lines"))


def _told_by(root: Path) -> dict[str | None, Gap]:
    """When each trial came to its two lines."""
    lines = map(json.loads, (root / "lines").read_text().splitlines())
    return {trial: (first, ready) for trial, first, ready in lines}


def _alone(module: str, times: int) -> list[Gap]:
    """`python train.py`, from its start."""
    gaps = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            (root / "train.py").write_text(_script(root, module))
            began = time.time()
            subprocess.run([sys.executable, "train.py"], cwd=root, check=True)
            ((first, ready),) = _told_by(root).values()
            gaps.append((first - began, ready - began))
    return gaps


def _tuned(module: str, trials: int, words: Sequence[str]) -> list[Gap]:
    """Trials on one slot; those of the first quarter are left out: nothing may be ready yet."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        ran = tune(root, "train.py", _script(root, module), "--gpu=cpu:1", "--popsize=5",
                   f"--round={trials // 5}", *words)  # fmt: skip
        told = _told_by(root)
        paths = RunPaths(root / "result")
        gaps = []
        for one, other in itertools.pairwise(ran[len(ran) // 4 :]):
            # The clock of a file system may be 4 ms behind, which makes the gap longer.
            free = (paths.attempt_dir(one.trial, 1) / EXIT).stat().st_mtime
            first, ready = told[str(other.trial)]
            gaps.append((first - free, ready - free))
    return gaps
