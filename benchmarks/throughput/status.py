"""How long `autofinetune status` takes in a run of very many trials."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from autofinetune.config.config import Config
from autofinetune.config.described import describe
from autofinetune.core.events import (
    AttemptPlanned,
    AttemptSubmitted,
    Event,
    Reported,
    RunCreated,
    RunEnded,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.slot import Slot
from autofinetune.space import load_space
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths

from .runs import machine

SPACE = [
    {"name": name, "type": "float", "init_value": 0.5, "greater_than": 0.0, "lower_than": 1.0}
    for name in ("lr", "momentum", "weight_decay", "dropout")
]
POPSIZE = 100
_AT_ONCE = 10_000
TIMES = 5


def events(trials: int) -> Iterator[Event]:
    """Those of a run whose trials reported once each."""
    space = load_space({"param_list": SPACE})
    config = Config(
        script="train.py", space=space, gpu="0", seed=0, working_dir="/", python="python",
        popsize=POPSIZE, round=trials // POPSIZE,
    )  # fmt: skip
    yield RunCreated(0.0, "run", "0", describe(config))
    for trial in range(trials):
        score = (trial * 7919 % 10_007) / 10_007
        params = {name: score / (1 + place) for place, name in enumerate(space.names)}
        point = tuple(params.values())
        yield TrialCreated(1.0, trial, trial // POPSIZE, trial % POPSIZE, point, params, None)
        yield AttemptPlanned(1.0, trial, 1, Slot("0"))
        yield AttemptSubmitted(1.0, trial, 1, {"pid": 123_456, "mark": f"run-{trial}-1"})
        yield Reported(2.0, trial, 1, 0, score, 30)
        yield TrialEnded(3.0, trial, 1, "COMPLETED", "", score, 2.0, True)
    yield RunEnded(4.0, "done")


def measure(trials: int) -> str:
    before = machine()
    with tempfile.TemporaryDirectory() as directory:
        paths = RunPaths(Path(directory))
        journal = SqliteJournal(paths.journal, create=True)
        batch: list[Event] = []
        for event in events(trials):
            batch.append(event)
            if len(batch) == _AT_ONCE:
                journal.append(batch)
                batch = []
        journal.append(batch)
        journal.close()
        taken = []
        for _ in range(TIMES):
            began = time.perf_counter()
            words = [sys.executable, "-m", "autofinetune", "status", directory]
            told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            taken.append(time.perf_counter() - began)
            assert f"{trials}" in told.replace(",", ""), told
    low, high = min(taken), max(taken)
    return (
        f"{trials:,} trials ({before}): the status is told after {statistics.median(taken):.2f} s "
        f"({low:.2f} to {high:.2f}, {TIMES} times)"
    )
