"""How much of the cards' time is training? Each part prints what it measured.

    python -m benchmarks.throughput busy [--slots=4,16] [--trials=200] [--mean=4]
    python -m benchmarks.throughput first_line [--module=torch] [--trials=40]
    python -m benchmarks.throughput overhead [--trials=100] [--optuna=PY] [--ray=PY] [--nni=PY]
    python -m benchmarks.throughput flat [--trials=10000]
    python -m benchmarks.throughput gpu

A machine that does something else at the same time spoils every one of them; the load before each
run is told. PY is the python of an environment with that peer, see peers.txt.
"""

from __future__ import annotations

import argparse
import sys

from . import busy, first_line, flat, gpu, overhead


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", choices=("busy", "first_line", "overhead", "flat", "gpu"))
    parser.add_argument("--slots", default="4,16")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--mean", type=float, default=4.0, help="seconds of a trial")
    parser.add_argument("--module", default="torch")
    parser.add_argument("--seed", type=int, default=0)
    for peer in overhead.PEERS:
        parser.add_argument(f"--{peer}", metavar="PY")
    options = parser.parse_args()
    if options.part == "busy":
        for slots in map(int, options.slots.split(",")):
            print(busy.measure(slots, options.trials or 200, options.mean, options.seed))
    elif options.part == "first_line":
        print(first_line.measure(options.module, options.trials or 40))
    elif options.part == "overhead":
        given = {name: getattr(options, name) for name in overhead.PEERS if getattr(options, name)}
        print(overhead.measure(options.trials or 100, given))
    elif options.part == "flat":
        print(flat.measure(options.trials or 10_000))
    else:
        print(gpu.measure())
    return 0


if __name__ == "__main__":
    sys.exit(main())
