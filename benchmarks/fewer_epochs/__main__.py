"""Regret by epochs spent, of searches with early stopping and without.

    python -m benchmarks.fewer_epochs run --results=epochs.jsonl --data=yahpo_data
        [--problems=heldout] [--seeds=10] [--slots=5] [--noise=0] [--methods='pshe2;pshe2+asha']
    python -m benchmarks.fewer_epochs show --results=epochs.jsonl --data=yahpo_data ...
        [--page=docs/epochs.md --part=curves]

`run` appends a line for each search that the file lacks, so that it can be stopped and continued,
or run in parts. `show` compares all methods that have every problem and seed. Searches get as many
epochs as 100 whole trainings (`pshe2`, `random`: methods without an assessor) or half of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.fewer_epochs import curves, plots, results
from benchmarks.fewer_epochs.compare import Compared
from benchmarks.page import EPOCHS, command

METHODS = (
    "random+asha:max_steps=length;pshe2;pshe2+surrogate;hazero+surrogate;pshe2+asha:max_steps=length;"
    "pshe2+hyperband:max_steps=length;pshe2+medianstop"
)
THICK = ("pshe2", "pshe2+surrogate")
PARTS = ("curves", "peers", "wide", "noise", "noisier", "made", "real", "constants")


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
    parser.add_argument("--page", type=Path, help="put what is printed there, too")
    parser.add_argument("--part", default="curves", choices=PARTS, help="of the page")
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
    problems = {name: curves.load(name, given.data) for name in names}
    found = Compared(results.read(given.results), problems, given.seeds, given.slots, given.noise)
    print(found.table(), flush=True)
    if given.page:
        put(given.page, given.part, found, argv)


def put(page: Path, part: str, found: Compared, argv: Sequence[str] | None) -> None:
    """Write a part of the page, with its picture beside it."""
    picture = page.with_name(f"epochs_{part}.svg")
    shares = np.linspace(0.05, 1.0, 39).tolist()
    regrets = {method: found.regrets(method, shares) for method in found.methods}
    plots.draw(picture, found.what, shares, regrets, THICK)
    # That of the first part is in the head of the page.
    shown = "" if part == PARTS[0] else f"![regret by epochs]({picture.name})"
    EPOCHS.put(page, part, command("fewer_epochs", argv), found.table(), shown)


if __name__ == "__main__":
    main()
