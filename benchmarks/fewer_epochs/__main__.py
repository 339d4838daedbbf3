"""Regret by epochs spent, of searches with early stopping and without.

    python -m benchmarks.fewer_epochs run --results=epochs.jsonl --data=yahpo_data
        [--problems=heldout] [--seeds=10] [--slots=5] [--noise=0] [--methods='pshe2;pshe2+asha']
    python -m benchmarks.fewer_epochs show --results=epochs.jsonl --data=yahpo_data ...

`run` appends a line for each search that the file lacks, so that it can be stopped and continued,
or run in parts. `show` compares all methods that have every problem and seed. Searches get as many
epochs as 100 whole trainings (`pshe2`, `random`: methods without an assessor) or half of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.fewer_epochs import curves, results
from benchmarks.fewer_epochs.simulate import Found
from benchmarks.search_quality import metrics

METHODS = (
    "random+asha:max_steps=length;pshe2;pshe2+surrogate;hazero+surrogate;pshe2+asha:max_steps=length;"
    "pshe2+hyperband:max_steps=length;pshe2+medianstop"
)
SHARES = (0.1, 0.2, 1 / 3, 0.5, 1.0)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("action", choices=("run", "show"))
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="a checkout of yahpo_data, for LCBench")
    parser.add_argument(
        "--problems", default="heldout", help="heldout, heldout:6, tuned, made, real"
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--slots", type=int, default=5)
    parser.add_argument("--noise", type=float, default=0.0, help="in units of best - median")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--methods", default=METHODS, help="separated by ;")
    given = parser.parse_args(argv)
    names = curves.names(given.problems, given.data)
    if given.action == "run":
        wanted = [
            results.Key(name, method, seed, given.slots, given.noise)
            for method in given.methods.split(";")
            for seed in range(given.seeds)
            for name in names
        ]
        results.run(wanted, given.results, given.data, given.jobs)
    found = results.read(given.results)
    print(table(found, names, given), flush=True)


def table(found: dict[results.Key, Found], names: Sequence[str], given: argparse.Namespace) -> str:
    """Mean regrets with 95 % intervals, and the difference to 100 whole trainings at a third."""
    seeds = range(given.seeds)
    lines = [
        f"{len(names)} problems x {given.seeds} seeds, {given.slots} slots, noise {given.noise:g}",
        "method | " + " | ".join(f"{share:.0%}" for share in SHARES)
        + " | at a third - pshe2 at 100 % | trials, complete by then | ms a trial",
    ]  # fmt: skip
    problems = {name: curves.load(name, given.data) for name in names}

    def regrets(method: str, share: float) -> np.ndarray:
        return np.array([
            [found[results.Key(name, method, seed, given.slots, given.noise)].regret(
                problems[name], problems[name].length * results.TRIALS * share) for seed in seeds]
            for name in names
        ])  # fmt: skip

    def has_all(method: str) -> bool:
        keys = [results.Key(n, method, s, given.slots, given.noise) for n in names for s in seeds]
        return all(key in found for key in keys)

    methods = [m for m in dict.fromkeys(key.method for key in found) if has_all(m)]
    for method in methods:
        shares = SHARES if "+" not in method else SHARES[:-1]
        cells = [f"{regrets(method, share).mean():.3f}" for share in shares]
        cells += [""] * (len(SHARES) - len(cells))
        third = regrets(method, 1 / 3)
        if "pshe2" in methods:
            apart = third - regrets("pshe2", 1.0)
            low, high = metrics.bootstrap(apart)
            cells.append(f"{apart.mean():+.3f} [{low:+.3f}, {high:+.3f}]")
        own = [f for key, f in found.items() if key.method == method and key.problem in names
               and (key.slots, key.noise) == (given.slots, given.noise)]  # fmt: skip
        cells.append(f"{np.mean([f.trials for f in own]):.0f}, "
                     f"{np.mean([len(f.spent) for f in own]):.0f}")  # fmt: skip
        cells.append(f"{np.mean([1e3 * f.seconds / f.trials for f in own]):.0f}")
        lines.append(f"{method} | " + " | ".join(cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
