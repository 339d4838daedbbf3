"""From a slot falling free to the next train.py's first line, with and without --preload."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .runs import machine, tune

TRAIN = """
import time
first = time.time()
import json, os
import {module}
imported = time.time()
from autofinetune import report_final_result
time.sleep(0.3)
report_final_result(0.5)
with open(os.environ["LINES"], "a") as file:
    file.write(json.dumps([int(os.environ["AUTOFINETUNE_TRIAL"]), first, imported]) + "\\n")
"""


def measure(module: str, trials: int) -> str:
    """Medians of both ways, run in turn."""
    lines, ratios = [], []
    for words in ((), (f"--preload={module}",)):
        first, ready = _gaps(module, trials, words)
        ratios.append((np.median(first), np.median(ready)))
        lines.append(
            f"    {'preloaded' if words else 'plain'}: first line after {_told(first)}, "
            f"{module} imported after {_told(ready)}"
        )
    (_, plain), (_, preloaded) = ratios
    lines.append(f"    {plain / preloaded:.0f} times sooner ready")
    return f"{module}, {trials} trials each ({machine()})\n" + "\n".join(lines)


def _told(seconds: Sequence[float]) -> str:
    median, worst = np.percentile(1000 * np.array(seconds), [50, 95])
    return f"{median:.0f} ms (95 %: {worst:.0f})"


def _gaps(module: str, trials: int, words: Sequence[str]) -> tuple[list[float], list[float]]:
    """Seconds from the recorded end of a trial to the first line of the next one on its slot.

    The trials of the first quarter are left out: the preload may not be ready.
    """
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        text = TRAIN.replace("{module}", module).replace(
            'os.environ["LINES"]', repr(str(root / "lines"))
        )
        ran = tune(root, "train.py", text, "--gpu=cpu:1", "--popsize=5",
                   f"--round={trials // 5}", *words)  # fmt: skip
        told = {
            trial: (first, imported)
            for trial, first, imported in map(
                json.loads, (root / "lines").read_text().splitlines()
            )
        }
    late = ran[len(ran) // 4 :]
    first, ready = [], []
    for one, other in itertools.pairwise(late):
        first.append(told[other.trial][0] - one.ended_at)
        ready.append(told[other.trial][1] - one.ended_at)
    return first, ready
