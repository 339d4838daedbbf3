"""What early stopping saves: epochs until a search is as good as 100 whole trainings.

    python -m benchmarks.early_stopping --data=yahpo_data [--tasks=heldout] [--seeds=3] [--jobs=2]
        [--strategy=pshe2] [--assessors='asha;medianstop'] [--trials=100] [--share=0.3333]
        [--page=docs/epochs.md]

LCBench's surrogate (see `search_quality/yahpo.py`) is asked for the accuracy after each of 52
epochs. The tuner itself runs the trials, five at once, in memory and by a simulated clock: an
epoch takes one second. A search with an assessor gets a share of the epochs that the whole
trainings take, and as many trials as it can make of them. Regret is that of the best trial which
completed all its epochs, 0 for the best score known of a task and 1 for a median configuration.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import functools
import math
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autofinetune.assessors import create_assessor
from autofinetune.config.config import Config
from autofinetune.core.events import Event, TrialEnded
from autofinetune.core.state import State
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import Attempt
from autofinetune.executors.memory import MemoryExecutor, Played
from autofinetune.run.tuner import Tuner
from autofinetune.sinks import Sink, SinkGuard
from autofinetune.space import Space
from autofinetune.store.journal import MemoryJournal
from autofinetune.store.paths import RunPaths
from autofinetune.strategies import create_strategy
from autofinetune.world import World
from benchmarks.page import EPOCHS, command
from benchmarks.search_quality import metrics, tasks, yahpo
from benchmarks.search_quality.runner import ONE_THREAD
from benchmarks.search_quality.task import Scale

Array = NDArray[np.float64]
PARALLEL = 5
MOST_TRIALS = 2000
STOP_SECONDS = 0.05  # a script that looks at every batch, and a tuner that looks every second


@dataclasses.dataclass(frozen=True)
class Search:
    """One search: `assessor` is a name, or a name and options as in `asha:eta=4`."""

    data: Path
    task: str
    seed: int
    strategy: str
    assessor: str
    epochs: int


@dataclasses.dataclass(frozen=True)
class Found:
    """The completed trials in order: epochs spent by then, and scores; and how many trials."""

    spent: tuple[float, ...]
    scores: tuple[float, ...]
    trials: int

    def best(self, epochs: float) -> list[float]:
        """All scores that were known after so many epochs."""
        count = int(np.searchsorted(self.spent, epochs, side="right"))
        return list(self.scores[:count])


def search(one: Search) -> Found:
    """Run the tuner over simulated trainings."""
    space = tasks.load(one.task, one.data).space
    with tempfile.TemporaryDirectory(dir=_memory()) as root:
        return _search(one, space, Path(root))


def _search(one: Search, space: Space, root: Path) -> Found:
    name, _, words = one.assessor.partition(":")
    options = dict(word.split("=") for word in words.split(",") if word)
    config = Config(
        script="train.py", space=space, gpu="cpu", seed=one.seed, working_dir="/", python="python",
        popsize=PARALLEL, round=MOST_TRIALS // PARALLEL, evaluator="fulltrail",
        tuning_strategy=one.strategy, max_seconds=one.epochs / PARALLEL,
    )  # fmt: skip
    executor = MemoryExecutor(
        [str(n) for n in range(PARALLEL)], functools.partial(_train, one, space)
    )
    clock = _Clock(executor)
    watch = _Watch(executor)
    tuner = Tuner(
        config, RunPaths(root), MemoryJournal(),
        create_strategy(one.strategy, space, popsize=PARALLEL, seed=one.seed),
        EVALUATORS[config.evaluator](config),
        executor, SinkGuard([watch], _raise), World(now=clock, monotonic=clock),
        create_assessor(name, "maximize", options),
    )  # fmt: skip
    tuner.start("run")
    state = tuner.run()
    return Found(tuple(watch.spent), tuple(watch.scores), len(state.trials))


def _train(one: Search, space: Space, attempt: Attempt) -> Played:
    words = dict(word[2:].split("=", 1) for word in attempt.argv if word.startswith("--"))
    params = {parameter.name: parameter.parse(words[parameter.name]) for parameter in space}
    curve = yahpo.learning_curve(one.data, one.task.partition("/")[2], params)
    return Played(
        final=float(curve[-1]), seconds=len(curve), intermediate=tuple(curve.tolist()),
        step_seconds=1.0, stop_seconds=STOP_SECONDS,
    )  # fmt: skip


class _Clock:
    """The simulated time."""

    def __init__(self, executor: MemoryExecutor) -> None:
        self._executor = executor

    def __call__(self) -> float:
        return self._executor.now


class _Watch(Sink):
    """Notes when trials complete. All slots are always busy, so time tells the epochs."""

    def __init__(self, executor: MemoryExecutor) -> None:
        self._executor = executor
        self.spent: list[float] = []
        self.scores: list[float] = []

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, TrialEnded) and event.status == "COMPLETED":
            assert event.score is not None
            self.spent.append(self._executor.now * PARALLEL)
            self.scores.append(event.score)


def _raise(sentence: str) -> None:
    raise AssertionError(sentence)


def _memory() -> str | None:
    """A directory in memory, where there is one: nothing here needs a disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.early_stopping", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tasks", default="heldout", help="as in benchmarks.search_quality")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--strategy", default="pshe2", choices=("pshe2", "random"))
    parser.add_argument("--assessors", default="asha;medianstop", help="separated by ;")
    parser.add_argument("--trials", type=int, default=100, help="whole trainings to be as good as")
    parser.add_argument("--share", type=float, default=1 / 3, help="of their epochs")
    parser.add_argument("--page", type=Path, help="put the table there, too")
    given = parser.parse_args(argv)
    names = tasks.select([f"{yahpo.FAMILY}/*"], given.data)
    wanted = tasks.select(given.tasks.split(","), given.data)
    names = [name for name in names if name in wanted]
    whole = given.trials * yahpo.EPOCHS
    budgets = {"none": whole} | dict.fromkeys(given.assessors.split(";"), int(whole * given.share))
    cells = [
        Search(given.data, name, seed, given.strategy, assessor, epochs)
        for seed in range(given.seeds)
        for name in names
        for assessor, epochs in budgets.items()
    ]
    os.environ |= ONE_THREAD
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(given.jobs, mp_context=context) as pool:
        found = {}
        for one, got in zip(cells, pool.map(search, cells), strict=True):
            found[one] = got
            best = max(got.scores, default=math.nan)
            print(one.task, one.seed, one.assessor, got.trials, f"{best:.3f}", flush=True)
    text = report(found, budgets, names, range(given.seeds))
    print(text)
    if given.page:
        EPOCHS.put(given.page, given.strategy, command("early_stopping", argv), text)
    return 0


def report(
    found: dict[Search, Found],
    budgets: dict[str, int],
    names: Sequence[str],
    seeds: Sequence[int],
) -> str:
    """The table: regret with each assessor, and how it compares with whole trainings."""
    by_name = {(one.assessor, one.task, one.seed): (one, got) for one, got in found.items()}

    def regret(assessor: str, name: str, seed: int, share: float) -> float:
        one, got = by_name[assessor, name, seed]
        known = got.best(one.epochs * share)
        return float(metrics.regret_curve(known, 1 + len(known), _scale(one, name))[-1])

    def table(assessor: str, share: float) -> Array:
        return np.array([[regret(assessor, n, s, share) for s in seeds] for n in names])

    full = table("none", 1.0)
    lines = [
        f"{len(names)} instances of LCBench, {len(seeds)} seeds",
        "assessor | epochs | trials, completed | regret | regret - regret of whole trainings",
    ]
    for assessor, epochs in budgets.items():
        for share in (1 / 3, 2 / 3, 1.0):
            values = table(assessor, share)
            gots = [by_name[assessor, n, s][1] for n in names for s in seeds]
            counts = np.mean([(got.trials, len(got.scores)) for got in gots], axis=0)
            lines.append(
                f"{assessor} | {epochs * share:.0f} | {counts[0]:.0f}, {counts[1]:.0f} | "
                f"{_with_interval(values)} | {_with_interval(values - full)}"
            )
    return "\n".join(lines)


def _scale(one: Search, name: str) -> Scale:
    return tasks.load(name, one.data).scale


def _with_interval(values: Array) -> str:
    low, high = metrics.bootstrap(values)
    return f"{values.mean():.4f} [{low:.4f}, {high:.4f}]"


if __name__ == "__main__":
    raise SystemExit(main())
