"""Whole runs of the command: what it holds after many trials, and how long a slot waits."""

from __future__ import annotations

import contextlib
import itertools
import json
import statistics
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from autofinetune.core.events import AttemptPlanned, TrialCreated, TrialEnded
from autofinetune.core.status import Status
from tests.faults.harness import FaultRun

from .pool import Bench
from .rows import Outcome

SLOTS = 2
POPSIZE = 20
WARM_UP = 1000  # trials after which memory must stay what it is
LOOK_S = 0.5
ZOMBIE_S = 5.0  # a tuner that is busy comes to it later than at once
MOST_GROWTH_MIB = 10.0
LIMIT = "limits passed"

_SOAK = """#!/bin/sh
for word in "$@"; do
    case $word in --saved_params_dir=*) echo weights > "${word#*=}/weights" ;; esac
done
echo "{\\"final\\": 0.$((AUTOFINETUNE_TRIAL * 7919 % 10007))}" >> "$AUTOFINETUNE_REPORT_FILE"
"""
_GAPS = """
import time
began = time.monotonic()
import json, os
time.sleep(%r + 0.1 * (int(os.environ["AUTOFINETUNE_TRIAL"]) * 7919 %% 101) / 101)
with open(os.environ["AUTOFINETUNE_REPORT_FILE"], "a") as file:
    file.write('{"final": 0.5}\\n')
file = os.open(os.environ["FAULT_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
trial = int(os.environ["AUTOFINETUNE_TRIAL"])
os.write(file, json.dumps([trial, began, time.monotonic()]).encode() + b"\\n")
"""


class LongRun(FaultRun):
    """A run of another script."""

    script = "train.py"

    def new_words(self) -> list[str]:
        return [self.script, *super().new_words()[1:]]


def long_run(bench: Bench, script: str, text: str, count: int, seed: int) -> LongRun:
    """A run of `count` trials, the last of which may be a few less than a round."""
    popsize = min(POPSIZE, count)
    run = LongRun(
        bench.directory(), gpu=f"cpu:{SLOTS}", popsize=popsize, rounds=max(1, count // popsize),
        seed=seed,
    )  # fmt: skip
    run.script = script
    (run.root / script).write_text(text)
    (run.root / script).chmod(0o755)
    return run


# --- what it holds ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """What a tuner holds at a moment."""

    at: float
    rss_mib: float
    descriptors: int
    threads: int
    zombies: frozenset[int]


def look_at(pid: int) -> Look:
    proc = Path(f"/proc/{pid}")
    status = dict(
        line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line
    )
    return Look(
        time.time(),
        int(status["VmRSS"].split()[0]) / 1024,
        len(list((proc / "fd").iterdir())),
        int(status["Threads"]),
        frozenset(child for child in children(proc) if is_zombie(child)),
    )


def children(proc: Path) -> list[int]:
    found = []
    for task in (proc / "task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def is_zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def soak(bench: Bench, unit: tuple[int, int]) -> Outcome:
    """Very many very short trials; the tuner is looked at from outside."""
    count, seed = unit
    run = long_run(bench, "train.sh", _SOAK, count, seed)
    # Quick to choose, so that the time is the tuner's.
    run.strategy, run.options = "hazero", ["--strategy_options=surrogate=off"]
    run.evaluator = "fulltrail"
    looks: list[Look] = []
    outcome = Outcome()
    with contextlib.closing(run):
        life = run.start()
        code: int | None = None
        while code is None:
            try:
                code = life.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(OSError, KeyError):  # it has just ended
                    looks.append(look_at(life.pid))
        left = run.survivors()
        ends = [event for event in run.events() if isinstance(event, TrialEnded)]
    outcome.done["trials"] = len(ends)
    outcome.done["looks"] = len(looks)
    completed = sum(event.status == Status.COMPLETED.value for event in ends)
    if code != 0 or completed != run.popsize * run.rounds:
        outcome.violate(
            "failed trials", f"{completed} completed, exit code {code}: {run.console[-300:]}"
        )
    if left:
        outcome.violate("orphans", f"left after the end: {left}")
    judge_looks(outcome, looks, [event.at for event in ends])
    return outcome


def judge_looks(outcome: Outcome, looks: list[Look], ends: list[float]) -> None:
    """Compare the tenth after the warm-up with the last tenth of the run."""
    ends = sorted(ends)
    warm = min(WARM_UP, len(ends) // 2)
    tenth = max(1, (len(ends) - warm) // 10)
    early = [look for look in looks if ends[warm - 1] <= look.at <= ends[warm + tenth - 1]]
    late = [look for look in looks if look.at >= ends[-tenth]]
    if not early or not late:
        outcome.violate("failed trials", f"{len(looks)} looks are too few")
        return

    def middle(group: list[Look]) -> float:
        return statistics.median(look.rss_mib for look in group)

    growth = middle(late) - middle(early)
    outcome.samples.update(
        warm=[warm],
        rss=[middle(early), middle(late)],
        descriptors=[max(look.descriptors for look in group) for group in (early, late)],
        threads=[max(look.threads for look in group) for group in (early, late)],
        seconds_per_trial=[
            (ends[warm + tenth - 1] - ends[warm - 1]) / tenth,
            (ends[-1] - ends[-tenth]) / max(1, tenth - 1),
        ],
    )
    if growth > MOST_GROWTH_MIB:
        outcome.violate(LIMIT, f"memory grew by {growth:.1f} MiB after trial {warm}")
    for name in ("descriptors", "threads"):
        before, after = outcome.samples[name]
        if after > before:
            outcome.violate(
                LIMIT, f"{name}: {before:.0f} after trial {warm}, {after:.0f} at the end"
            )
    stayed = sorted(left_zombies(looks))
    outcome.see("zombies", len(stayed))
    if stayed:
        outcome.violate(LIMIT, f"zombies not waited for: {stayed[:10]}")


def left_zombies(looks: list[Look]) -> set[int]:
    """Those that nobody waited for in `ZOMBIE_S`; between two looks a pid is not used again."""
    left: set[int] = set()
    since: dict[int, float] = {}
    for look in looks:
        since = {pid: since.get(pid, look.at) for pid in look.zombies}
        left |= {pid for pid, first in since.items() if look.at - first > ZOMBIE_S}
    return left


# --- how long a slot waits ----------------------------------------------------------------------


def gaps(bench: Bench, unit: tuple[int, int]) -> Outcome:
    """From the last line of a script to the first line of the next one on the same slot."""
    count, seed = unit
    run = long_run(bench, "train.py", _GAPS % 0.25, count, seed)
    outcome = Outcome()
    with contextlib.closing(run):
        code = run.start().wait()
        events = run.events()
    if code != 0:
        outcome.violate("failed trials", f"exit code {code}: {run.console[-300:]}")
    rounds = {event.trial: event.round for event in events if isinstance(event, TrialCreated)}
    slots = {event.trial: event.slot for event in events if isinstance(event, AttemptPlanned)}
    ran = defaultdict(list)
    by_round = defaultdict(list)
    for line in run.ledger.read_text().splitlines():
        trial, began, ended = json.loads(line)
        ran[slots[trial]].append((began, ended, rounds[trial]))
        by_round[rounds[trial]].append((began, ended))
    outcome.samples["within"] = [
        two[0] - one[1]
        for spans in ran.values()
        for one, two in itertools.pairwise(sorted(spans))
        if one[2] == two[2]
    ]
    outcome.samples["between"] = [
        min(began for began, _ in by_round[round_ + 1])
        - max(ended for _, ended in by_round[round_])
        for round_ in sorted(by_round)[:-1]
    ]
    outcome.done["gaps"] = len(outcome.samples["within"])
    return outcome


def percentile(values: list[float], share: float) -> float:
    """The smallest value that is not below `share` of all."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
