"""How much of the time are the slots busy within a round?

    python -m benchmarks.busy_slots [--slots 2] [--popsize 20] [--rounds 2] [--mean 4] [--seed 0]

Runs real trials of mixed length (lognormal, sigma 0.7, the spread of real trainings) through the
command itself and reads the times out of the journal. For each round it compares

    busy share   seconds in which a trial ran / (slots x length of the round)

with the busy share of the list schedule (every free slot takes the next trial of the queue at
once) for the same lengths in the same order, and with the fixed batches of PaddleHub 1.x.
"""

from __future__ import annotations

import argparse
import heapq
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autofinetune.events import AttemptPlanned, TrialCreated, TrialEnded
from autofinetune.journal import SqliteJournal
from autofinetune.paths import RunPaths

TRAIN = """#!/bin/sh
sleep $(sed -n "$((AUTOFINETUNE_TRIAL + 1))p" lengths)
echo '{"final": 0.5}' >> "$AUTOFINETUNE_REPORT_FILE"
"""
HPARAM = """
param_list:
  - {name: x, type: float, init_value: 0.5, greater_than: 0, lower_than: 1}
"""


@dataclass(frozen=True)
class Ran:
    """One trial: when it was planned, when it was over, and the seconds in which it ran."""

    round: int
    planned_at: float
    ended_at: float
    seconds: float


def run(options: argparse.Namespace, root: Path) -> list[Ran]:
    """Run the trials and read back what happened."""
    rng = np.random.default_rng(options.seed)
    count = options.popsize * options.rounds
    lengths = rng.lognormal(np.log(options.mean) - 0.7**2 / 2, 0.7, count)
    (root / "lengths").write_text("".join(f"{length:.3f}\n" for length in lengths))
    (root / "train.sh").write_text(TRAIN)
    (root / "train.sh").chmod(0o755)
    (root / "hparam.yaml").write_text(HPARAM)
    subprocess.run(
        [
            sys.executable, "-m", "autofinetune", "train.sh", "--param_file=hparam.yaml",
            f"--gpu=cpu:{options.slots}", f"--popsize={options.popsize}",
            f"--round={options.rounds}", "--skip-preflight", "--evaluator=fulltrail",
            "--output_dir=result",
        ],
        cwd=root,
        check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return read(root / "result")


def read(output_dir: Path) -> list[Ran]:
    journal = SqliteJournal(RunPaths(output_dir).journal, read_only=True)
    rounds: dict[int, int] = {}
    planned: dict[int, float] = {}
    found = []
    for event in journal.events():
        if isinstance(event, TrialCreated):
            rounds[event.trial] = event.round
        elif isinstance(event, AttemptPlanned):
            planned[event.trial] = event.at
        elif isinstance(event, TrialEnded):
            found.append(Ran(rounds[event.trial], planned[event.trial], event.at, event.seconds))
    journal.close()
    return sorted(found, key=lambda ran: ran.planned_at)


def list_schedule(lengths: list[float], slots: int) -> float:
    """The length of a round in which a free slot takes the next trial at once."""
    free = [0.0] * slots
    for length in lengths:
        heapq.heappush(free, heapq.heappop(free) + length)
    return max(free)


def fixed_batches(lengths: list[float], slots: int) -> float:
    """The length of a round in which every batch waits for its slowest trial."""
    batches = [lengths[i : i + slots] for i in range(0, len(lengths), slots)]
    return sum(max(batch) for batch in batches)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--popsize", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--mean", type=float, default=4.0, help="seconds a trial takes")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        ran = run(options, Path(root))
    shares, gaps = [], []
    for round_ in range(options.rounds):
        of_round = [one for one in ran if one.round == round_]
        lengths = [one.seconds for one in of_round]
        span = max(one.ended_at for one in of_round) - min(one.planned_at for one in of_round)
        busy = sum(lengths) / options.slots
        best, old = list_schedule(lengths, options.slots), fixed_batches(lengths, options.slots)
        shares.append(best / span)
        gaps += [one.ended_at - one.planned_at - one.seconds for one in of_round]
        print(
            f"round {round_}: {span:.2f} s, busy {busy / span:.1%}; list schedule {best:.2f} s, "
            f"busy {busy / best:.1%}; fixed batches {old:.2f} s, busy {busy / old:.1%}"
        )
    median, worst = np.percentile(1000 * np.array(gaps), [50, 95])
    print(f"busy share, of the list schedule's: mean {np.mean(shares):.1%}, min {min(shares):.1%}")
    print(f"start and end of a trial cost its slot: median {median:.0f} ms, 95 % {worst:.0f} ms")


if __name__ == "__main__":
    main()
