"""Compares our strategies inside Optuna with its own samplers, in the loop `study.optimize`.

    python -m benchmarks.in_optuna run [--tasks=PATTERNS] [--samplers=...] [--seeds=3]
        [--trials=50] [--cache=in_optuna.jsonl] [--registry=DIR]
    python -m benchmarks.in_optuna report [--trials=50]   a table of what is in the cache
    python -m benchmarks.in_optuna overhead [--trials=100]

The tasks are those of benchmarks.search_quality, by default a few on which no constant of a
strategy was tuned. `run` keeps every search in the file --cache and runs only what is missing,
one trial after another. It needs the extra `optuna` of this project, and torch for GPSampler.
AutoSampler also needs the packages optunahub and cmaes, and --registry, a clone of
https://github.com/optuna/optunahub-registry; without it, it is left out.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from autofinetune.space import Value
from benchmarks.search_quality import cells, results, tasks
from benchmarks.search_quality.peers_optuna import suggest
from benchmarks.search_quality.task import Task

from . import overhead, samplers

TASKS = (
    "sklearn/svc-digits",
    "sklearn/boosting-diabetes",
    "sklearn/mlp-digits",
    "sklearn/sgd-breast_cancer",
    "rounded/rastrigin-5-1",
    "rounded/rosenbrock-5-1",
    "bbob/ellipsoid-5-1",
    "bbob/schaffers-5-1",
)


def search(task: Task, name: str, seed: int, trials: int, registry: Path | None) -> cells.Cell:
    """Run one study."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=samplers.make(name, seed, registry))
    scores: list[float] = []
    seconds: list[float] = []

    def objective(trial: Any) -> float:
        params: dict[str, Value] = {}
        began = time.perf_counter()
        for parameter in task.space:
            if task.space.is_active(parameter, params):
                params[parameter.name] = suggest(trial, dict(parameter.describe()))
        seconds.append(time.perf_counter() - began)
        scores.append(task.evaluate(params))
        return scores[-1]

    study.optimize(objective, n_trials=trials)
    return cells.cell(task.name, name, seed, trials, scores, seconds)


def run(options: argparse.Namespace) -> None:
    """Run the searches that are missing in the cache."""
    warnings.simplefilter(
        "ignore"
    )  # of Optuna's options that are experimental or on their way out
    done = {cell.key: cell.trials for cell in cells.read(options.cache)}
    names = [n for n in options.samplers if n != "optuna-auto" or options.registry]
    for seed in range(options.seeds):
        for task in tasks.select(options.tasks, None):
            for name in names:
                if done.get((task, name, seed), 0) < options.trials:
                    loaded = tasks.load(task, None)
                    cell = search(loaded, name, seed, options.trials, options.registry)
                    cells.append(options.cache, cell)
                    print(f"{task} {name} seed {seed}: {cell.ms:g} ms a trial", flush=True)


def report(options: argparse.Namespace) -> list[str]:
    """Return a Markdown table of what every sampler has, the best mean rank first."""
    found = {cell.key: cell for cell in cells.read(options.cache)}
    chosen = tasks.select(options.tasks, None)
    names = [name for name in options.samplers if any(key[1] == name for key in found)]
    group = results.select(found, chosen, names, options.trials)
    if group is None:
        return ["there are no searches that can be compared: run first"]
    counts = [n for n in (25, 50, 100) if n <= options.trials] or [options.trials]
    regret = {n: results.regrets(group, n) for n in counts}
    rank = results.ranks(group, counts[-1])
    heads = [f"regret after {n} trials" for n in counts]
    lines = [
        f"{len(group.tasks)} tasks, {group.seeds_in_words}: {', '.join(group.tasks)}",
        "",
        f"| sampler | {' | '.join(heads)} | rank after {counts[-1]} | ms a trial |",
        "|---" * (len(counts) + 3) + "|",
    ]
    for name in sorted(group.methods, key=lambda name: rank[name].mean):
        rows = [regret[n][name] for n in counts]
        texts = [f"{row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in rows]
        place = rank[name]
        texts.append(f"{place.mean:.2f} [{place.low:.2f}, {place.high:.2f}]")
        lines.append(
            f"| {samplers.TITLES[name]} | {' | '.join(texts)} | {group.milliseconds[name]:.0f} |"
        )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.in_optuna",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["run", "report", "overhead"])
    parser.add_argument("--tasks", type=lambda words: words.split(","), default=TASKS)
    parser.add_argument("--samplers", type=lambda words: words.split(","), default=samplers.NAMES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int)
    parser.add_argument("--cache", type=Path, default=Path("in_optuna.jsonl"))
    parser.add_argument("--registry", type=Path)
    options = parser.parse_args()
    if options.command == "overhead":
        print("\n".join(overhead.run(options.trials or 100)))
        return 0
    options.trials = options.trials or 50
    if options.command == "run":
        run(options)
    print("\n".join(report(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
