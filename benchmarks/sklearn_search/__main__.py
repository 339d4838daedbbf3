"""AutofinetuneSearchCV beside the searches of scikit-learn, at equal time, and how busy slots are.

    python -m benchmarks.sklearn_search quality [--seeds=8] [--jobs=1] [--json=FILE]
    python -m benchmarks.sklearn_search slots [--seeds=8] [--jobs=4] [--candidates=20]

`quality`: three of scikit-learn's data sets, at most 600 samples of each. A seed splits off a
third of them and seeds the search; all methods of a task and a seed are run one after the other,
in one process on one thread, with the same five folds. A search has five seconds of processor
time, ten with gradient boosting, its own work included. RandomizedSearchCV and
AutofinetuneSearchCV are stopped there. HalvingRandomSearchCV gets as many candidates as take that
long in a pilot search, with `min_resources="exhaust"`, so that its last round uses all samples.
Regret is that of the cross-validated score with all samples: 0 for the best score of any method
with the same seed, 1 for the median of RandomizedSearchCV's candidates. Held out is the score of
the best candidate, trained again, on the third that was split off.

`slots`: models that only sleep, for times that differ by a factor of ten. Idle is the share of the
slots' time in which none sleeps. Rounds are of as many candidates as there are slots.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .quality import quality
from .slots import slots


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("quality")
    part.add_argument("--seeds", type=int, default=8)
    part.add_argument("--jobs", type=int, default=1, help="tasks measured at the same time")
    part.add_argument("--json", type=Path, help="where to write the results of every search")
    part = parts.add_parser("slots")
    part.add_argument("--seeds", type=int, default=8)
    part.add_argument("--jobs", type=int, default=4)
    part.add_argument("--candidates", type=int, default=20)
    given = parser.parse_args()
    if given.part == "quality":
        quality(given.seeds, given.jobs, given.json)
    else:
        slots(given.seeds, given.jobs, given.candidates)


if __name__ == "__main__":
    main()
