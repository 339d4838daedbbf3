"""How much of the cards' time is training? Each part prints what it measured.

    python -m benchmarks.throughput busy [--slots=4,16] [--trials=200] [--mean=4]
    python -m benchmarks.throughput first_line [--modules=torch] [--trials=40]
    python -m benchmarks.throughput overhead [--trials=100] [--repeats=5] [--optuna=PY] [--ray=PY]
        [--nni=PY]
    python -m benchmarks.throughput flat [--trials=10000]
    python -m benchmarks.throughput status [--trials=100000]
    python -m benchmarks.throughput models [--trials=6] [--gigabytes=2]
    python -m benchmarks.throughput clusters [--trials=200] [--gigabytes=1]
    python -m benchmarks.throughput gpu

`--page=docs/throughput.md` puts what was measured there, too. A machine that does something else
at the same time spoils all of it; the load before each run is told. PY is the python of an
environment with that peer, see peers.txt; MINI_RAY_PYTHON names one with ray for `clusters`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.page import THROUGHPUT, command

from . import busy, clusters, first_line, flat, gpu, models, overhead, status


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", choices=tuple(THROUGHPUT.titles))
    parser.add_argument("--slots", default="4,16")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--mean", type=float, default=4.0, help="seconds of a trial")
    parser.add_argument("--modules", default="torch", help="what the script imports, in turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=5, help="how often overhead is measured")
    parser.add_argument("--gigabytes", type=float, help="of a model")
    parser.add_argument("--page", type=Path)
    for peer in overhead.PEERS:
        parser.add_argument(f"--{peer}", metavar="PY")
    options = parser.parse_args()
    text = _measure(options)
    print(text)
    if options.page:
        THROUGHPUT.put(options.page, options.part, command("throughput", None), text)
    return 0


def _measure(options: argparse.Namespace) -> str:
    if options.part == "busy":
        slots = map(int, options.slots.split(","))
        trials = options.trials or 200
        return "\n".join(busy.measure(n, trials, options.mean, options.seed) for n in slots)
    if options.part == "first_line":
        trials = options.trials or 40
        return "\n".join(first_line.measure(m, trials) for m in options.modules.split(","))
    if options.part == "overhead":
        given = {name: getattr(options, name) for name in overhead.PEERS if getattr(options, name)}
        return overhead.measure(options.trials or 100, given, options.repeats)
    if options.part == "flat":
        return flat.measure(options.trials or 10_000)
    if options.part == "status":
        return status.measure(options.trials or 100_000)
    if options.part == "models":
        return models.measure(options.trials or 6, options.gigabytes or 2.0)
    if options.part == "clusters":
        return clusters.measure(options.trials or 200, options.gigabytes or 1.0)
    return gpu.measure()


if __name__ == "__main__":
    sys.exit(main())
