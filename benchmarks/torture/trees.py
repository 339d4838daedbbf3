"""Trees of processes, without a tuner: all must be gone when the end of a trial is told."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from autofinetune.core.slot import Slot
from autofinetune.executors import Attempt, JobState
from autofinetune.executors.devices.slots import find_slots
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.runner.cgroup import planned_cgroup
from autofinetune.runner.processes import marked, start_time
from tests.faults.harness import FaultRun, read_ledger, wait_until

from .pool import Bench, shares
from .rows import Outcome

SLOTS = 4
TREES_PER_UNIT = 20
_INSIDE = "AUTOFINETUNE_TORTURE_INSIDE"


def units(count: int, seed: int) -> list[tuple[int, int]]:
    return [(seed + n, trees) for n, trees in enumerate(shares(count, TREES_PER_UNIT))]


def tree_kills(bench: Bench, unit: tuple[int, int]) -> Outcome:
    """Trials with a child, one in a session of its own and one forked twice, end in three ways."""
    seed, count = unit
    outcome = Outcome()
    rng = random.Random(seed)
    run = bench.run()
    name = f"tree{os.getpid()}-{seed}"  # no other worker's marks
    executor = LocalExecutor(find_slots(f"cpu:{SLOTS}", {}, None).places, run.environ())
    with contextlib.closing(run), contextlib.closing(executor):
        while outcome.done["trees"] < count:
            first = outcome.done["trees"]
            batch = range(first, min(count, first + SLOTS))
            ways = {trial: rng.choice(("end", "cancel", "runner")) for trial in batch}
            run.plan({
                str(trial): {
                    "tree": True,
                    "deaf": rng.random() < 0.5,
                    "hold": "" if way == "end" else "never",
                }
                for trial, way in ways.items()
            })  # fmt: skip
            kill_batch(run, name, executor, ways, outcome)
    return outcome


def kill_batch(
    run: FaultRun, name: str, executor: LocalExecutor, ways: dict[int, str], outcome: Outcome
) -> None:
    pids = {
        trial: executor.submit(attempt_of(run, name, trial, slot))["pid"]
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
            outcome.done["trees"] += 1
            left = set(marked(f"{name}/{trial}/1"))
            left.update(
                line.pid
                for line in read_ledger(run.ledger)
                if line.trial == trial and start_time(line.pid) is not None
            )
            if left:
                outcome.violate("survivors", f"{name} trial {trial} ({ways[trial]}): {left}")


def attempt_of(run: FaultRun, name: str, trial: int, slot: str) -> Attempt:
    directory = run.root / f"trial{trial}"
    directory.mkdir()
    words = ["--lr=0.01", "--units=16", f"--saved_params_dir={directory}"]
    return Attempt(
        run=name,
        trial=trial,
        attempt=1,
        slot=Slot.read(slot),
        argv=(sys.executable, "train.py", *words),
        env={},
        working_dir=str(run.root),
        directory=str(directory / "attempt"),
        log=str(directory / "log"),
        grace_s=0.2,
        time_limit_s=None,
    )


# --- with control groups and without ------------------------------------------------------------


def cgroups() -> list[str]:
    """What can be made here; a group of version 2 can be killed as a whole."""
    group = planned_cgroup(f"torture/{os.getpid()}/0")
    group.make()
    kinds = ["2" if Path(path, "cgroup.kill").exists() else "1" for path in group.paths]
    group.remove()
    return kinds


def why_no_cgroups() -> str:
    return "" if "2" in cgroups() else "no control group of version 2 can be made here"


def why_cgroups_stay() -> str:
    """Why the part without them cannot be run, or nothing."""
    if not cgroups():
        return ""
    if os.environ.get(_INSIDE):
        return "the control groups cannot be unmounted"
    absent = [tool for tool in ("unshare", "umount") if shutil.which(tool) is None]
    return f"{', '.join(absent)} missing" if absent else ""


def without_cgroups(words: list[str]) -> dict[str, Any] | None:
    """The row of the same part in a mount namespace without them; None where there are none."""
    if not cgroups():
        return None
    umount = 'umount -a -t cgroup,cgroup2; exec "$@"'
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [
            "unshare", "--mount", "sh", "-c", umount, "sh",
            sys.executable, "-m", "benchmarks.torture", *words, f"--json={file.name}",
        ]  # fmt: skip
        done = subprocess.run(
            command, check=False, env={**os.environ, _INSIDE: "1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        text = Path(file.name).read_text()
    if not text:
        return {"skipped": f"no mount namespace: {done.stderr.strip()[-80:]}"}
    row: dict[str, Any] = json.loads(text)["rows"][0]
    return row
