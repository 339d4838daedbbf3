"""How much can be done to a run before a result is lost?

    python -m benchmarks.torture [--kills 200] [--steps] [--treekills 100] [--tables 20]
                                 [--powercuts 20] [--seed 0] [--json FILE]

The long versions of the tests of faults: the same harness, the same oracle, larger numbers.

    kills       the tuner is killed at random instants and the run resumed
    steps       the tuner is killed as it enters each of its fsync, fdatasync and rename calls
    treekills   trials with plain, setsid and double-forked children end by themselves, are
                cancelled, or lose their runner; with control groups and without
    tables      after five kills a run must come to the table of the undisturbed one
    powercuts   images of a mounted file system, taken in the middle of a run, are mounted and
                the run in them resumed

A part whose tools are missing says so. The exit code is 1 if anything was violated.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autofinetune.executors import Attempt, JobState, LocalExecutor, find_slots
from autofinetune.runner.cgroup import make_cgroup
from autofinetune.runner.processes import marked, start_time
from autofinetune.strategies import STRATEGIES
from autofinetune.version import __version__
from tests.faults.harness import (
    DEADLINE_S,
    FaultRun,
    Nursery,
    Tally,
    count_steps,
    kill_at_random,
    kill_at_results,
    kill_at_step,
    read_ledger,
    wait_until,
)

IMAGE_MIB = 32
CUTS_PER_RUN = 5
TREE_SLOTS = 4
NAMES = list(STRATEGIES)
COLUMNS = {
    "lost results": ("I1",),
    "survivors": ("I2",),
    "shared slots": ("I3",),
    "doubled": ("I4",),
    "models, files": ("I5", "I6", "I7", "I8", "I9"),
}


@dataclass
class Row:
    """One figure."""

    name: str
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    skipped: str = ""

    def counts(self) -> dict[str, int]:
        """Violations by kind; what no invariant covers is a way on that failed."""
        found = dict.fromkeys(COLUMNS, 0)
        failed = 0
        for violation in self.tally.violations:
            kinds = [
                name for name, ids in COLUMNS.items() if any(f": {i} " in violation for i in ids)
            ]
            for kind in kinds:
                found[kind] += 1
            failed += not kinds
        return {**found, "failed resumes": failed}


@dataclass
class Bench:
    """Where the runs lie and what they share."""

    root: Path
    nursery: Nursery
    seed: int
    made: int = 0

    def run(self, **fields: object) -> FaultRun:
        """A new run with its own directory; its strategy and seed change from run to run."""
        self.made += 1
        given: dict[str, object] = {
            "strategy": NAMES[self.made % len(NAMES)],
            "seed": self.seed + self.made,
            **fields,
        }
        return FaultRun(self.root / f"run{self.made}", self.nursery, **given)  # type: ignore[arg-type]


# --- the parts ----------------------------------------------------------------------------------


def random_kills(bench: Bench, count: int) -> Tally:
    def make(number: int) -> FaultRun:
        run = bench.run(rounds=3)
        run.plan({"*": {"seconds": 0.05}})
        return run

    return kill_at_random(make, count, random.Random(bench.seed))


def every_step(bench: Bench, strategy: str) -> Tally:
    """Until a run comes to its end without meeting the call so often."""
    total = Tally()
    for step, count in count_steps(bench.run(strategy=strategy)).items():
        nth, is_met = 0, True
        while is_met or nth <= count:
            nth += 1
            tally = kill_at_step(bench.run(strategy=strategy, seed=bench.seed), step, nth)
            is_met = tally.faults > 0
            add(total, tally)
    return total


def tables(bench: Bench, count: int) -> Tally:
    total = Tally()
    rng = random.Random(bench.seed)
    for _ in range(count):
        run = bench.run(popsize=3, rounds=3)
        add(total, kill_at_results(run, sorted(rng.sample(range(1, 9), 5))))
    return total


def tree_kills(bench: Bench, count: int) -> Tally:
    """Trees of processes on their own, without a tuner: all must be gone when an end is told."""
    tally = Tally()
    rng = random.Random(bench.seed)
    run = bench.run()
    slots = find_slots(f"cpu:{TREE_SLOTS}", {}, None).places
    executor = LocalExecutor(slots, run.environ())
    with contextlib.closing(run), contextlib.closing(executor):
        while tally.faults < count:
            batch = range(tally.faults, min(count, tally.faults + TREE_SLOTS))
            ways = {trial: rng.choice(("end", "cancel", "runner")) for trial in batch}
            run.plan({
                str(trial): {
                    "tree": True,
                    "deaf": rng.random() < 0.5,
                    "hold": "" if way == "end" else "never",
                }
                for trial, way in ways.items()
            })  # fmt: skip
            kill_batch(run, executor, ways, tally)
    return tally


def kill_batch(run: FaultRun, executor: LocalExecutor, ways: dict[int, str], tally: Tally) -> None:
    pids = {
        trial: executor.submit(attempt_of(run, trial, slot))["pid"]
        for trial, slot in zip(ways, executor.slots(), strict=False)
    }
    wait_until(lambda: sum(line.trial in ways for line in run.lines("child")) == 3 * len(ways))
    for trial, way in ways.items():
        if way == "cancel":
            executor.cancel((trial, 1))
        elif way == "runner":
            os.kill(pids[trial], signal.SIGKILL)
    waiting = set(ways)
    while waiting:
        for news in executor.poll(1.0):
            if news.state not in (JobState.EXITED, JobState.LOST):
                continue
            trial = news.key[0]
            waiting.discard(trial)
            tally.faults += 1
            left = set(marked(f"tree/{trial}/1"))
            left.update(
                line.pid
                for line in read_ledger(run.ledger)
                if line.trial == trial and start_time(line.pid) is not None
            )
            if left:
                tally.violations.append(f"trial {trial} ({ways[trial]}): I2 alive: {left}")
    tally.runs += 1


def attempt_of(run: FaultRun, trial: int, slot: str) -> Attempt:
    directory = run.root / f"trial{trial}"
    directory.mkdir()
    words = ["--lr=0.01", "--units=16", f"--saved_params_dir={directory}"]
    return Attempt(
        run="tree",
        trial=trial,
        attempt=1,
        slot=slot,
        argv=(sys.executable, "train.py", *words),
        env={},
        working_dir=str(run.root),
        directory=str(directory / "attempt"),
        log=str(directory / "log"),
        grace_s=0.2,
        time_limit_s=None,
    )


def power_cuts(bench: Bench, count: int) -> Tally:
    tally = Tally()
    rng = random.Random(bench.seed)
    while tally.faults < count:
        run, cuts = cut_run(bench, rng, min(CUTS_PER_RUN, count - tally.faults))
        for image, lines in cuts:
            tally.faults += 1
            after_cut(bench, run, image, lines, tally)
    return tally


def cut_run(
    bench: Bench, rng: random.Random, most: int
) -> tuple[FaultRun, list[tuple[Path, bytes]]]:
    """A run on a file system of its own, and images of it at random instants.

    The ledger is read before the image is taken: what is acknowledged in it must be there.
    """
    run = bench.run(rounds=3)
    image = run.root / "disk"
    cuts: list[tuple[Path, bytes]] = []
    with image.open("wb") as file:
        file.truncate(IMAGE_MIB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    run.out = str(run.root / "mount/result")
    run.plan({"*": {"seconds": 0.05}})
    with contextlib.closing(run), mounted(image, run.root / "mount"):
        life = run.start()
        is_over = False
        while not is_over and len(cuts) < most:
            try:
                is_over = life.wait(rng.uniform(0.05, 0.5)) == 0
                continue
            except subprocess.TimeoutExpired:
                pass
            with standing_still(lambda: [life.pid, *run.survivors()]):
                lines = run.ledger.read_bytes() if run.ledger.exists() else b""
                copy = run.root / f"disk{len(cuts)}"
                shutil.copyfile(image, copy)
            cuts.append((copy, lines))
        life.wait(DEADLINE_S)
        wait_until(lambda: not run.survivors())
    return run, cuts


def after_cut(bench: Bench, run: FaultRun, image: Path, lines: bytes, tally: Tally) -> None:
    """Mount the image where the disk was and go on; only the ledger before the cut is known."""
    where = f"{run.root.name} {image.name}"
    again = bench.run(rounds=run.rounds, strategy=run.strategy, seed=run.seed, out=run.out)
    again.ledger.write_bytes(lines)
    with contextlib.closing(again), mounted(image, run.root / "mount"):
        if again.holds_run():
            tally.finish(again, where, power_cut=True)
        elif again.lines("acked"):
            tally.violations.append(f"{where}: I1 the journal is gone")
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


def add(total: Tally, more: Tally) -> None:
    total.faults += more.faults
    total.runs += more.runs
    total.violations += more.violations


# --- which of them can be done here -------------------------------------------------------------


def missing(*tools: str) -> str:
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return f"{', '.join(absent)} missing" if absent else ""


def why_no_images() -> str:
    if absent := missing("mkfs.ext4", "mount", "umount"):
        return absent
    return "" if os.geteuid() == 0 else "only root can mount images"


def why_no_cgroup() -> str:
    group = make_cgroup(f"autofinetune-torture-{os.getpid()}")
    if group is None:
        return "no control group (version 2) can be made here"
    group.remove()
    return ""


def without_cgroups(options: argparse.Namespace, trees: Callable[[Bench], Tally]) -> Row:
    """The same part in a mount namespace in which there are no control groups."""
    row = Row("tree kills, without cgroups")
    if not why_no_cgroup():
        row.skipped = missing("unshare", "umount")
        if row.skipped:
            return row
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            umount = 'umount -a -t cgroup2 && exec "$@"'
            words = [
                sys.executable, "-m", "benchmarks.torture", "--kills=0", "--tables=0",
                "--powercuts=0", f"--treekills={options.treekills}", f"--seed={options.seed}",
                f"--json={file.name}",
            ]  # fmt: skip
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", umount, "sh", *words],
                check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            text = Path(file.name).read_text()
        if not text:
            row.skipped = f"no mount namespace: {done.stderr.strip()[-80:]}"
            return row
        told = json.loads(text)["rows"][-1]
        row.tally = Tally(told["faults"], told["runs"], told["violations"])
        row.seconds = told["seconds"]
        return row
    return measure(row.name, "", trees, options)


def measure(
    name: str, why_not: str, part: Callable[[Bench], Tally], options: argparse.Namespace
) -> Row:
    row = Row(name, skipped=why_not)
    if not why_not:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as root, contextlib.closing(Nursery()) as nursery:
            row.tally = part(Bench(Path(root), nursery, options.seed))
        row.seconds = time.monotonic() - began
    return row


def rows(options: argparse.Namespace) -> Iterator[Row]:
    if options.kills:
        yield measure("random kills", "", lambda b: random_kills(b, options.kills), options)
    for strategy in NAMES if options.steps else ():
        part = functools.partial(every_step, strategy=strategy)
        yield measure(f"every durable step, {strategy}", missing("strace"), part, options)
    if options.treekills:
        trees = functools.partial(tree_kills, count=options.treekills)
        yield measure("tree kills, with cgroups", why_no_cgroup(), trees, options)
        yield without_cgroups(options, trees)
    if options.tables:
        yield measure("tables after 5 kills", "", lambda b: tables(b, options.tables), options)
    if options.powercuts:
        cuts = functools.partial(power_cuts, count=options.powercuts)
        yield measure("power cuts", why_no_images(), cuts, options)


# --- the table ----------------------------------------------------------------------------------


def commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], check=False, capture_output=True, text=True)
        return done.stdout.strip()

    if shutil.which("git") is None or not git("rev-parse", "HEAD"):
        return f"version {__version__}"
    return git("rev-parse", "--short", "HEAD") + (" and changes" if git("status", "-s") else "")


def show(row: Row) -> None:
    if row.skipped:
        print(f"| {row.name} | skipped: {row.skipped} |", flush=True)
        return
    counts = [row.tally.faults, row.tally.runs, *row.counts().values()]
    print(f"| {row.name} | {' | '.join(map(str, counts))} | {row.seconds:.0f} s |", flush=True)
    for violation in row.tally.violations[:20]:
        print(f"    {violation}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--treekills", type=int, default=100)
    parser.add_argument("--tables", type=int, default=20)
    parser.add_argument("--powercuts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    where = commit()
    print(f"seed {options.seed}, {where}, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(f"| fault | faults | runs | {' | '.join(Row('').counts())} | time |")
    done = []
    for row in rows(options):
        show(row)
        done.append(row)
    if options.json:
        told = [
            {
                "name": row.name, "skipped": row.skipped, "faults": row.tally.faults,
                "runs": row.tally.runs, **row.counts(), "seconds": row.seconds,
                "violations": row.tally.violations,
            }
            for row in done
        ]  # fmt: skip
        options.json.write_text(
            json.dumps({"seed": options.seed, "commit": where, "rows": told}, indent=2) + "\n"
        )
    return int(any(row.tally.violations for row in done))


if __name__ == "__main__":
    raise SystemExit(main())
