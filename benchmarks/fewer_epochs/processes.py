"""The wall time of a whole search by real processes, with early stopping and without.

    python -m benchmarks.fewer_epochs.processes [--seeds=5] [--trials=60] [--epochs=20]
        [--epoch_seconds=1] [--slots=4] [--assessor=surrogate] [--strategy=pshe2]
        [--page=docs/epochs.md]

The digits demo with epochs made longer; it does not look whether it should stop, and is ended a
second after it was asked to. For each seed the same search runs without an assessor and
with it, in turns, so that both meet the same machine; both make the same number of trials. Scores
are those of the best trial; a seed is that of the search and of every training.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import autofinetune
from benchmarks.page import EPOCHS, command
from benchmarks.search_quality import metrics

_ROOT = Path(__file__).parents[2]
_SCRIPT = Path(__file__).with_name("longer_digits.py")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--epoch_seconds", type=float, default=1.0)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--assessor", default="surrogate")
    parser.add_argument("--strategy", default="pshe2")
    parser.add_argument("--page", type=Path, help="put what is printed at the end there, too")
    given = parser.parse_args(argv)
    found = []  # (seed, none or the assessor, seconds or score)
    for seed in range(given.seeds):
        pair = {name: measure(given, seed, name) for name in _order(seed, given.assessor)}
        found.append([pair["none"], pair[given.assessor]])
        cells = (f"{name} {s:.1f} s, score {score:.4f}" for name, (s, score) in pair.items())
        print(f"seed {seed}: {'; '.join(cells)}", flush=True)
    text = summary(np.array(found), given.assessor)
    print(text)
    if given.page:
        EPOCHS.put(given.page, "processes", command("fewer_epochs.processes", argv), text)


def _order(seed: int, assessor: str) -> tuple[str, str]:
    return ("none", assessor) if seed % 2 == 0 else (assessor, "none")


def measure(given: argparse.Namespace, seed: int, assessor: str) -> tuple[float, float]:
    """Return the seconds that a search took, and its best score."""
    os.environ["EPOCH_SECONDS"] = str(given.epoch_seconds)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        result = autofinetune.tune(
            str(_SCRIPT),
            str(_ROOT / "demo" / "digits" / "hparam.yaml"),
            trials=given.trials,
            script_args={"epochs": given.epochs, "seed": seed},
            progress=False,
            gpu=f"cpu:{given.slots}",
            popsize=given.slots,
            evaluator="fulltrail",
            tuning_strategy=given.strategy,
            assessor=assessor,
            stop_grace=1,
            seed=seed,
            output_dir=str(Path(folder, "result")),
        )
        seconds = time.monotonic() - began
    assert result.best is not None and result.best.score is not None
    return seconds, result.best.score


def summary(found: np.ndarray, assessor: str) -> str:
    """Means with 95 % intervals over seeds.

    Args:
        found: seconds and scores, `(seeds, 2, 2)`: for each seed without and with the assessor.
    """
    ratios = found[:, 1, 0] / found[:, 0, 0]
    apart = found[:, 1, 1] - found[:, 0, 1]
    lines = [f"{len(found)} seeds", "wall time and best score | none | " + assessor]
    for name, place, digits in (("seconds", 0, 1), ("score", 1, 4)):
        means = found[:, :, place].mean(axis=0)
        lines.append(f"{name} | " + " | ".join(f"{mean:.{digits}f}" for mean in means))
    for name, values in (("ratio of wall times", ratios), ("difference of scores", apart)):
        low, high = metrics.bootstrap(values[None])
        lines.append(f"{name} | {values.mean():.4f} [{low:.4f}, {high:.4f}]")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
