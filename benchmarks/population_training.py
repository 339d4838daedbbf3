"""How many epochs does population-based training need for what training from scratch finds?

    python -m benchmarks.population_training [--seeds 20] [--tasks digits lcbench] [--jobs=2]
        [--data=/path/to/yahpo_data] [--changes free] [--instances=...] [--page=docs/epochs.md]

For each task and seed the loop of a run, with everything but processes and time, searches once
with `fulltrail`, 50 trials from scratch with all epochs, and with the same strategy once for each
rule of `populationbased` (`--exploit`; `better_half` is PaddleHub's): ten members, whose trials
take a tenth of the epochs each, until half of fulltrail's epochs are spent.

Reported is the share of fulltrail's epochs after which the mean best score (over the seeds) is
fulltrail's at its end, the difference of the scores when half of the epochs are spent, and in how
many of the single runs that was not below 0. 95 % intervals by a bootstrap over the seeds.

`digits` trains the network of demo/digits for real: a continued trial goes on from the parent's
weights, as the script does. LCBench (YAHPO's surrogate, see search_quality/yahpo.py) knows the
learning curves of unchanged hyperparameters only, so that what a change does is an assumption:
`--changes=free` scores a continued trial as if its hyperparameters had been used from the first
epoch on; `--changes=lasting` by the mean of what all hyperparameters of its chain give at this
age, weighted by their epochs, so that a bad start counts to the end.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib.util
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autofinetune.config.config import Config
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import Attempt
from autofinetune.executors.memory import MemoryExecutor, Played
from autofinetune.run.parts import make_search
from autofinetune.run.tuner import Tuner
from autofinetune.sinks import SinkGuard
from autofinetune.space import Space, load_space
from autofinetune.store.journal import MemoryJournal
from autofinetune.store.paths import RunPaths
from autofinetune.world import World

from .page import EPOCHS, command
from .search_quality import yahpo
from .search_quality.task import Params

Array = NDArray[np.float64]
Curve = list[tuple[int, float]]  # (epochs spent so far, best score so far) after each trial
DEMO = Path(__file__).parent.parent / "demo/digits"
DATA_SETS = 6  # of LCBench's 34, evenly spread over the list
TRIALS, MEMBERS, PARTS = 50, 10, 10
RULES = ("surrogate", "truncation", "better_half")
RESAMPLES = 2000


@dataclass(frozen=True)
class Task:
    """Something to train: `train(model or None, params, epochs, seed)` gives (model, score)."""

    name: str
    space: Space
    epochs: int
    train: Callable[[Any, Params, int, int], tuple[Any, float]]


# --- the tasks ----------------------------------------------------------------------------------


def digits() -> Task:
    spec = importlib.util.spec_from_file_location("digits_demo", DEMO / "train.py")
    assert spec is not None
    assert spec.loader is not None
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    training, validation = demo.split(demo.load())

    def train(model: Any, params: Params, epochs: int, seed: int) -> tuple[Any, float]:
        options = argparse.Namespace(seed=seed, **params)
        before, done = model or (demo.new_weights(np.random.default_rng(seed)), 0)
        weights = {name: values.copy() for name, values in before.items()}
        speed = {name: np.zeros_like(values) for name, values in weights.items()}
        with np.errstate(all="ignore"):  # some hyperparameters diverge
            for epoch in range(done + 1, done + 1 + epochs):
                demo.train_epoch(weights, speed, training, options, epoch)
        return (weights, done + epochs), demo.accuracy(weights, validation)

    return Task("digits", load_space(DEMO / "hparam.yaml"), 20, train)


def lcbench(data: Path, instance: str, changes: str) -> Task:
    full = 52

    def train(model: Any, params: Params, epochs: int, seed: int) -> tuple[Any, float]:
        chain = [*(model or ()), (params, epochs)]
        age = min(full, sum(spent for _, spent in chain))
        counted = chain[-1:] if changes == "free" else chain
        x = yahpo.inputs([{**used, "epoch": age} for used, _ in counted])
        scores = yahpo.scores(data, instance, x)
        return chain, float(np.average(scores, weights=[spent for _, spent in counted]))

    return Task(f"lcbench/{instance}", yahpo.space(), full, train)


def tasks_of(options: argparse.Namespace) -> list[Task]:
    found = [digits()] if "digits" in options.tasks else []
    if "lcbench" in options.tasks:
        if options.data is None:
            sys.exit("LCBench needs --data: https://github.com/slds-lmu/yahpo_data")
        names = yahpo.instances(options.data)
        chosen = options.instances or names[:: math.ceil(len(names) / DATA_SETS)]
        found += [lcbench(options.data, name, options.changes) for name in chosen]
    return found


# --- one search ---------------------------------------------------------------------------------


def search(task: Task, config: Config, epochs: int) -> Curve:
    """The curve of a run whose trials take so many epochs each."""
    models: dict[int, Any] = {}
    curve: Curve = []

    def program(attempt: Attempt) -> Played:
        trial = tuner.state.trials[attempt.trial]
        before = None if trial.parent is None else models[trial.parent]
        models[trial.id], score = task.train(before, trial.params, epochs, config.seed)
        (paths.model(trial.round, trial.member) / "weights").touch()
        best = max(score, curve[-1][1]) if curve else score
        curve.append((epochs * (len(curve) + 1), best))
        return Played(score)

    with tempfile.TemporaryDirectory() as root:
        paths = RunPaths(Path(root))
        tuner = Tuner(
            config, paths, MemoryJournal(), make_search(config),
            EVALUATORS[config.evaluator](config), MemoryExecutor(["slot"], program),
            SinkGuard([], sys.exit), World(time.time),
        )  # fmt: skip
        tuner.start("benchmark")
        tuner.run()
    return curve


def config_of(task: Task, seed: int, strategy: str, **fields: Any) -> Config:
    return Config(
        script="train.py", space=task.space, gpu="cpu", seed=seed, working_dir="/",
        python="python", tuning_strategy=strategy, schedule="round", **fields,
    )  # fmt: skip


def curves(task: Task, seed: int, options: argparse.Namespace) -> dict[str, Curve]:
    """Of fulltrail and of each rule."""
    trials, members = options.trials, options.members
    popsize = min(5, trials)
    config = config_of(task, seed, options.strategy, popsize=popsize, round=trials // popsize,
                       evaluator="fulltrail")  # fmt: skip
    found = {"fulltrail": search(task, config, task.epochs)}
    part = max(1, task.epochs // PARTS)
    rounds = trials * task.epochs // (2 * members * part)
    for rule in options.rules:
        config = config_of(task, seed, options.strategy, popsize=members, round=rounds,
                           evaluator="populationbased", exploit=rule)  # fmt: skip
        found[rule] = search(task, config, part)
    return found


def runs_of(task: Task, options: argparse.Namespace) -> list[dict[str, Curve]]:
    """The `curves` of all seeds."""
    if options.jobs == 1:
        return [curves(task, seed, options) for seed in range(options.seeds)]
    context = multiprocessing.get_context("fork")  # a task is made of functions
    with concurrent.futures.ProcessPoolExecutor(
        options.jobs, context, _work_on, (task, options)
    ) as pool:
        return list(pool.map(_worked, range(options.seeds)))


def _work_on(task: Task, options: argparse.Namespace) -> None:
    _work.append((task, options))


def _worked(seed: int) -> dict[str, Curve]:
    task, options = _work[-1]
    return curves(task, seed, options)


_work: list[tuple[Task, argparse.Namespace]] = []  # of a process of the pool


# --- what it comes to ---------------------------------------------------------------------------


def share_needed(best: Array, spent: Array, target: float, total: int) -> float:
    """The share of `total` epochs after which `best` `(n,)` has reached `target`, or infinity."""
    reached = np.flatnonzero(best >= target - 1e-12)
    return float(spent[reached[0]]) / total if len(reached) else math.inf


@dataclass(frozen=True)
class Compared:
    """One task and rule: mean share of epochs, gain at half of them, share of runs not behind."""

    share: float
    shares: Array  # of the resamples
    gain: float
    gains: Array
    ahead: float


def compare(runs: Sequence[dict[str, Curve]], rule: str) -> Compared:
    full = np.array([[score for _, score in run["fulltrail"]] for run in runs])
    total = runs[0]["fulltrail"][-1][0]
    other = np.array([[score for _, score in run[rule]] for run in runs])
    spent = np.array([epochs for epochs, _ in runs[0][rule]])
    gain = other[:, -1] - full[:, -1]
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(runs), size=(RESAMPLES, len(runs)))

    def share(rows: Any) -> float:
        target = float(full[rows, -1].mean())
        return share_needed(other[rows].mean(axis=0), spent, target, total)

    return Compared(
        share(np.arange(len(runs))), np.array([share(rows) for rows in drawn]),
        float(gain.mean()), gain[drawn].mean(axis=1), float((gain >= -1e-12).mean()),
    )  # fmt: skip


def interval(values: Array) -> str:
    low, high = np.percentile(values, [2.5, 97.5], method="nearest")
    return f"[{_text(low)}, {_text(high)}]"


def _text(share: float) -> str:
    return f"{share:.3f}" if math.isfinite(share) else "not reached"


def report(name: str, rule: str, found: Sequence[Compared]) -> str:
    """One line; several tasks are drawn together by the median of their shares."""
    share = float(np.percentile([one.share for one in found], 50, method="higher"))
    shares = np.percentile([one.shares for one in found], 50, axis=0, method="higher")
    gain = float(np.mean([one.gain for one in found]))
    gains = np.mean([one.gains for one in found], axis=0)
    ahead = float(np.mean([one.ahead for one in found]))
    return (
        f"{name:16} {rule:12} epochs {_text(share)} {interval(shares)}   at half the epochs "
        f"{gain:+.4f} {interval(gains)}, not behind in {ahead:.0%}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tasks", nargs="+", default=["digits"], choices=("digits", "lcbench"))
    parser.add_argument("--data", type=Path, help="a checkout of yahpo_data")
    parser.add_argument("--changes", default="free", choices=("free", "lasting"))
    parser.add_argument("--strategy", default="pshe2")
    parser.add_argument("--trials", type=int, default=TRIALS, help="of fulltrail")
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--page", type=Path, help="put what is printed there, too")
    parser.add_argument("--rules", nargs="+", default=RULES, choices=RULES)
    parser.add_argument("--instances", nargs="+", help="of LCBench; six by default")
    parser.add_argument("--jobs", type=int, default=1, help="seeds searched at a time")
    options = parser.parse_args(argv)
    lines = []
    for line in measure(options):
        print(line, flush=True)
        lines.append(line)
    if options.page:
        part = options.changes if "lcbench" in options.tasks else "digits"
        EPOCHS.put(options.page, part, command("population_training", argv), "\n".join(lines))


def measure(options: argparse.Namespace) -> Iterator[str]:
    """The lines that tell what was found, each as soon as it is."""
    if "lcbench" in options.tasks:
        yield f"LCBench has no changes of hyperparameters on the way: modelled, {options.changes}"
    found: dict[str, list[Compared]] = {rule: [] for rule in options.rules}
    for task in tasks_of(options):
        runs = runs_of(task, options)
        end = np.mean([run["fulltrail"][-1][1] for run in runs])
        epochs = runs[0]["fulltrail"][-1][0]
        yield f"{task.name}: fulltrail {end:.4f} after {epochs} epochs, {options.seeds} seeds"
        for rule in options.rules:
            compared = compare(runs, rule)
            yield report(task.name, rule, [compared])
            found[rule] += [compared] if task.name != "digits" else []
    for rule, several in found.items():
        if len(several) > 1:
            yield report("lcbench, all", rule, several)


if __name__ == "__main__":
    main()
