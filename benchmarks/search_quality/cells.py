"""Cells: one search of one task by one method with one seed; and the files that keep them.

The file of a run has one JSON object per line and is only ever appended to, so a run can be
stopped at any time and gone on with, and several runs (for example of two environments) may share
it. What the document rests on is in recorded/, compressed; those files are never changed.
"""

from __future__ import annotations

import fcntl
import functools
import importlib.metadata
import itertools
import json
import lzma
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import code, methods
from .method import PARALLEL
from .task import Task

RECORDED = Path(__file__).parent / "recorded"

_PACKAGES = ("numpy", "scipy", "cma", "cmaes", "nni", "optuna", "torch", "smac", "leanhebo")


@dataclass(frozen=True)
class Cell:
    """`best` tells after which trials, counted from 0, a higher score than all before was known,
    and it; `ms` is the median time of a suggestion, asking and telling together, less those of the
    first two batches. `asked` below `trials`: the search ended of itself."""

    task: str
    method: str
    seed: int
    trials: int
    asked: int
    best: list[tuple[int, float]]
    ms: float
    code: str  # a digest of the sources of a strategy of this project, else nothing
    versions: Mapping[str, str]

    def curve(self) -> NDArray[np.float64]:
        """The best score so far after each trial, `(asked,)`."""
        places, scores = zip(*self.best, strict=True) if self.best else ((), ())
        return np.repeat(np.array(scores), np.diff([*places, self.asked]))

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
    name = method + (f"@{label}" if label else "")
    return cell(task.name, name, seed, trials, scores, seconds)


def cell(
    task: str,
    method: str,
    seed: int,
    trials: int,
    scores: Sequence[float],
    seconds: Sequence[float],
) -> Cell:
    """Of a search by the code and the packages that are here.

    Args:
        scores: in the order of asking.
        seconds: per suggestion, of each batch.
    """
    best: list[tuple[int, float]] = []
    for place, score in enumerate(scores[:trials]):
        if not best or score > best[-1][1]:
            best.append((place, float(f"{score:.8g}")))
    ms = 1000.0 * float(np.median(seconds[2:] or [0.0]))
    return Cell(
        task,
        method,
        seed,
        trials,
        min(len(scores), trials),
        best,
        float(f"{ms:.3g}"),
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
    """The cells of one file, those of a run or recorded ones."""
    if not path.exists():
        return
    data = path.read_bytes()
    for line in (lzma.decompress(data) if path.suffix == ".xz" else data).splitlines():
        try:
            found = json.loads(line)
            found["best"] = [(place, score) for place, score in found["best"]]
            yield Cell(**found)
        except (ValueError, TypeError, KeyError):
            continue  # the line that a killed run left


def current(path: Path) -> dict[tuple[str, str, int], Cell]:
    """The newest cell of every key, recorded or in this file. This project's own, unless labelled,
    count only when they were made by the code as it is now."""
    return _newest(itertools.chain(recorded(), read(path)))


def recorded() -> Iterator[Cell]:
    """What the document rests on."""
    for path in sorted(RECORDED.glob("*.jsonl.xz")):
        yield from read(path)


def record(path: Path, name: str) -> int:
    """Keep what this file has and no recorded one, as recorded/<name>.jsonl.xz; how many cells.

    Raises:
        FileExistsError: there is such a file.
    """
    known = _newest(recorded())
    new = [found for key, found in sorted(_newest(read(path)).items()) if known.get(key) != found]
    lines = "".join(json.dumps(asdict(found), separators=(",", ":")) + "\n" for found in new)
    if new:
        with (RECORDED / f"{name}.jsonl.xz").open("xb") as file:
            file.write(lzma.compress(lines.encode(), preset=9))
    return len(new)


def _newest(found: Iterable[Cell]) -> dict[tuple[str, str, int], Cell]:
    return {
        one.key: one for one in found if "@" in one.method or one.code in ("", code_of(one.method))
    }
