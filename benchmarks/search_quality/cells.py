"""Cells: one search of one task by one method with one seed; and the file that keeps them.

The file has one JSON object per line and is only ever appended to, so a run can be stopped at any
time and gone on with, and several runs (for example of two environments) may share it.
"""

from __future__ import annotations

import fcntl
import functools
import importlib.metadata
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from . import code, methods
from .method import PARALLEL
from .task import Task

_PACKAGES = ("numpy", "scipy", "cma", "cmaes", "nni", "optuna", "torch", "smac")


@dataclass(frozen=True)
class Cell:
    """`scores` in the order of asking, and for every batch the seconds that asking and telling
    took per suggestion. Fewer scores than `trials`: the search ended of itself."""

    task: str
    method: str
    seed: int
    trials: int
    scores: list[float]
    seconds: list[float]
    code: str  # a digest of the sources of a strategy of this project, else nothing
    versions: dict[str, str]

    @property
    def key(self) -> tuple[str, str, int]:
        return self.task, self.method, self.seed


def run(task: Task, method: str, seed: int, trials: int, label: str = "") -> Cell:
    """Search `task` with PARALLEL trials at a time."""
    search = methods.make(method, task.space, trials, seed)
    scores: list[float] = []
    seconds: list[float] = []
    while len(scores) < trials:
        began = time.perf_counter()
        asked = search.ask(PARALLEL)
        spent = time.perf_counter() - began
        if not asked:
            break
        found = [task.evaluate(one.params) for one in asked]
        began = time.perf_counter()
        search.tell(asked, found)
        spent += time.perf_counter() - began
        scores += found
        seconds.append(spent / len(asked))
    if not all(math.isfinite(score) for score in scores):
        raise ValueError(f"{task.name} gave {method} a score that is not finite")
    return Cell(
        task.name,
        method + (f"@{label}" if label else ""),
        seed,
        trials,
        [float(f"{score:.8g}") for score in scores[:trials]],
        [float(f"{each:.3g}") for each in seconds],
        code_of(method),
        versions(),
    )


def code_of(method: str) -> str:
    """What the cells of a method must have for `code`."""
    return code.digest(methods.base(method)) if methods.is_ours(method) else ""


@functools.cache
def versions() -> dict[str, str]:
    """Installed packages that may have a part in a result."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def append(path: Path, cell: Cell) -> None:
    """Add one line; whole lines only, even beside other processes."""
    line = json.dumps(asdict(cell), separators=(",", ":")) + "\n"
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0, 2)
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":  # a run was killed while it wrote
                line = "\n" + line
        file.write(line.encode())


def read(path: Path) -> Iterator[Cell]:
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        try:
            yield Cell(**json.loads(line))
        except (ValueError, TypeError):
            continue  # the line that a killed run left


def current(path: Path) -> dict[tuple[str, str, int], Cell]:
    """The newest cell of every key. This project's own, unless labelled, count only when they were
    made by the code as it is now."""
    found = {}
    for cell in read(path):
        if "@" in cell.method or cell.code in ("", code_of(cell.method)):
            found[cell.key] = cell
    return found
