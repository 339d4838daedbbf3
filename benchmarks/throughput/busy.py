"""How busy are the slots, with trials of very different length?

Real trials (lognormal, sigma 1) run through the command by the schedule `async`. The busy share is
compared with that of the list schedule, in which every free slot takes the next of the same trials
at once and for nothing; and with what waiting would cost by a simulated clock, for rounds of
`popsize` and for the fixed batches of PaddleHub 1.x.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .runs import machine, tune

POPSIZE = 5
SIGMA = 1.0
TRAIN = """#!/bin/sh
sleep $(sed -n "$((AUTOFINETUNE_TRIAL + 1))p" lengths)
echo '{"final": 0.5}' >> "$AUTOFINETUNE_REPORT_FILE"
"""


def list_schedule(lengths: Sequence[float], slots: int) -> float:
    """How long it takes if a free slot takes the next trial at once."""
    free = [0.0] * slots
    for length in lengths:
        heapq.heappush(free, heapq.heappop(free) + length)
    return max(free)


def rounds(lengths: Sequence[float], slots: int) -> float:
    """The same with a barrier after every `POPSIZE` trials."""
    parts = [lengths[i : i + POPSIZE] for i in range(0, len(lengths), POPSIZE)]
    return sum(list_schedule(part, slots) for part in parts)


def batches(lengths: Sequence[float], slots: int) -> float:
    """Every batch of as many trials as slots, within a round, waits for its slowest trial."""
    total = 0.0
    for start in range(0, len(lengths), POPSIZE):
        part = lengths[start : start + POPSIZE]
        total += sum(max(part[i : i + slots]) for i in range(0, len(part), slots))
    return total


def measure(slots: int, trials: int, mean: float, seed: int) -> str:
    """One run, and what it says."""
    drawn = np.random.default_rng(seed).lognormal(np.log(mean) - SIGMA**2 / 2, SIGMA, trials)
    before = machine()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "lengths").write_text("".join(f"{length:.3f}\n" for length in drawn))
        ran = tune(
            root, "train.sh", TRAIN, f"--gpu=cpu:{slots}", f"--popsize={POPSIZE}",
            f"--round={trials // POPSIZE}",
        )  # fmt: skip
    lengths = [one.seconds for one in ran]
    span = max(one.ended_at for one in ran) - min(one.planned_at for one in ran)
    best, busy = list_schedule(lengths, slots), sum(lengths) / slots
    costs = [1000 * (one.ended_at - one.planned_at - one.seconds) for one in ran]
    median, worst = np.percentile(costs, [50, 95])
    return (
        f"{trials} trials of {mean:g} s in the mean on {slots} slots ({before}): {span:.1f} s, "
        f"slots busy {busy / span:.1%}\n"
        f"    best possible {best:.1f} s, busy {busy / best:.1%}: "
        f"{best / span:.1%} of it is reached\n"
        f"    simulated: rounds {rounds(lengths, slots):.1f} s, busy "
        f"{busy / rounds(lengths, slots):.1%}; fixed batches {batches(lengths, slots):.1f} s, "
        f"busy {busy / batches(lengths, slots):.1%}\n"
        f"    start and end of a trial cost its slot {median:.0f} ms (95 %: {worst:.0f} ms)"
    )
