"""Does a trial cost more the more there were? Very many trials that do nothing, on two slots."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path

import numpy as np

from .runs import machine, tune

TRAIN = """#!/bin/sh
echo '{"final": 0.5}' >> "$AUTOFINETUNE_REPORT_FILE"
"""
WINDOW = 1000
EVERY = 10  # calls there is one look: counting very many directories takes a while by itself
_TICKS = os.sysconf("SC_CLK_TCK")


def measure(trials: int) -> str:
    """Seconds and processor time a trial in the first and the last thousand, and the memory."""
    looks: list[tuple[int, float, float]] = []
    before = machine()
    with tempfile.TemporaryDirectory() as directory:
        root, calls = Path(directory), itertools.count()

        def look(pid: int) -> None:
            if next(calls) % EVERY:
                return
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]
            done = sum(1 for _ in (root / "result" / "trials").iterdir())
            looks.append((done, (int(stat[11]) + int(stat[12])) / _TICKS, int(status) / 1024))

        ran = tune(
            root, "train.sh", TRAIN, "--gpu=cpu:2", "--popsize=20", f"--round={trials // 20}",
            "--tuning_strategy=hazero", "--strategy_options=surrogate=off", "--min_free_gb=0",
            look=look,
        )  # fmt: skip
    ends = sorted(one.ended_at for one in ran)
    window = min(WINDOW, len(ends) // 4)
    wall = [(part[-1] - part[0]) / len(part) for part in (ends[:window], ends[-window:])]
    done, cpu, memory = map(np.array, zip(*looks, strict=True))

    def cost(first: int, last: int) -> float:
        one, other = np.interp([first, last], done, cpu)
        return float((other - one) / (last - first))

    first, last = cost(1, window), cost(len(ends) - window, len(ends))
    early, late = np.interp([window, len(ends)], done, memory)
    return (
        f"{len(ran)} trials ({before}): {1000 * wall[0]:.0f} ms a trial in the first {window}, "
        f"{1000 * wall[1]:.0f} ms in the last, ratio {wall[1] / wall[0]:.2f}\n"
        f"    processor time of the tuner {1000 * first:.1f} and {1000 * last:.1f} ms a trial, "
        f"ratio {last / first:.2f}; memory {early:.1f} MiB after {window}, {late:.1f} at the end"
    )
