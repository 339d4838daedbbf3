"""Images of a mounted file system, taken in the middle of a run, are mounted and gone on with."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.harness import DEADLINE_S, FaultRun, Tally, wait_until

from .pool import SEARCHES, Bench, outcome_of, shares
from .rows import Outcome

IMAGE_MIB = 32
CUTS_PER_UNIT = 5


def units(count: int, seed: int) -> list[tuple[int, int]]:
    return [(seed + n, cuts) for n, cuts in enumerate(shares(count, CUTS_PER_UNIT))]


def power_cuts(bench: Bench, unit: tuple[int, int]) -> Outcome:
    seed, count = unit
    tally = Tally()
    rng = random.Random(seed)
    while tally.faults < count:
        strategy = SEARCHES[(seed + tally.runs) % len(SEARCHES)]
        run = bench.run(strategy=strategy, seed=rng.randrange(2**31), rounds=3)
        for image, lines in cut(run, rng, count - tally.faults):
            tally.faults += 1
            after_cut(bench, run, image, lines, tally)
    return outcome_of(tally, "cuts")


def cut(run: FaultRun, rng: random.Random, most: int) -> list[tuple[Path, bytes]]:
    """A run on a file system of its own, and images of it at random instants.

    The ledger is read before the image is taken: what is acknowledged in it must be there.
    """
    image = run.root / "disk"
    cuts: list[tuple[Path, bytes]] = []
    with image.open("wb") as file:
        file.truncate(IMAGE_MIB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    run.out = str(run.root / "mount/result")
    run.plan({"*": {"seconds": 0.05}})
    with contextlib.closing(run), mounted(image, run.root / "mount"):
        life = run.start()
        code: int | None = None
        while code is None and len(cuts) < most:
            try:
                code = life.wait(rng.uniform(0.05, 0.5))
                continue
            except subprocess.TimeoutExpired:
                pass
            with standing_still(lambda: [life.pid, *run.survivors()]):
                lines = run.ledger.read_bytes() if run.ledger.exists() else b""
                copy = run.root / f"disk{len(cuts)}"
                shutil.copyfile(image, copy)
            cuts.append((copy, lines))
        code = life.wait(DEADLINE_S)
        assert code == 0, run.console[-300:]
        wait_until(lambda: not run.survivors())
    return cuts


def after_cut(bench: Bench, run: FaultRun, image: Path, lines: bytes, tally: Tally) -> None:
    """Mount the image where the disk was and go on; only the ledger before the cut is known."""
    where = f"{run.strategy} {run.seed} {image.name}"
    again = bench.run(rounds=run.rounds, strategy=run.strategy, seed=run.seed, out=run.out)
    again.ledger.write_bytes(lines)
    with contextlib.closing(again), mounted(image, run.root / "mount"):
        if not again.holds_run() and again.lines("acked"):
            tally.violations.append(f"{where}: I1 the journal is gone")
        tally.finish(again, where, power_cut=True)
    image.unlink()


@contextlib.contextmanager
def mounted(image: Path, place: Path) -> Iterator[None]:
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextlib.contextmanager
def standing_still(pids: Callable[[], list[int]]) -> Iterator[None]:
    """Stop processes, those that they start meanwhile included."""
    stopped: set[int] = set()
    while new := set(pids()) - stopped:
        for pid in new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped |= new
    try:
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
