"""What must hold after any fault: journal and files compared with the ledger of the trials.

I1 no acknowledged result is lost      I5 best_model is the best trial's, whole, or absent
I2 nothing survives                    I6 a failed trial is never best
I3 one trial a slot                    I7 every other end has a reason
I4 nothing is started or ended twice   I8 every file parses     I9 exit codes
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autofinetune.core.events import AttemptPlanned, Event, TrialEnded
from autofinetune.core.run_state import ERROR, INTERRUPTED
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Direction, Status
from autofinetune.sinks.best_model import describe_files
from autofinetune.space import read_yaml
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from tests.faults.harness import Line, read_ledger, survivors

_REASON = re.compile(
    r"exit:\d+|signal:\d+|timeout|oom|spawn|no_result|nan|runner_lost(?::\w+)?|interrupted|suspect_slot"
)


@dataclass(frozen=True)
class Facts:
    """A run as its journal and its trials tell it."""

    paths: RunPaths
    ledger: Path
    lines: Sequence[Line]
    events: Sequence[Event]
    state: State
    is_over: bool  # the tuner came to its own end: nothing may run, nothing is half done
    code: int | None
    power_cut: bool  # what was not put on disk is gone: nobody knows that a command was started

    def of(self, what: str) -> list[Line]:
        return [line for line in self.lines if line.what == what]


def check_invariants(
    output_dir: Path,
    ledger: Path,
    *,
    is_over: bool = True,
    code: int | None = None,
    power_cut: bool = False,
    direction: Direction = Direction.MAXIMIZE,
) -> list[str]:
    """Every violation as a sentence; an empty list when all holds.

    Args:
        output_dir: of the run.
        ledger: what its trials wrote.
        is_over: the last tuner ended by itself; false after a kill.
        code: its exit code, if that is to be checked too.
        power_cut: there was one: an attempt may have been started twice, and files that are not
            durable by design may be empty.
        direction: of the run.
    """
    paths = RunPaths(output_dir)
    lines = read_ledger(ledger)  # before the journal: what is acknowledged later is not judged
    state = State(direction)
    try:
        with contextlib.closing(SqliteJournal(paths.journal, read_only=True)) as journal:
            events = list(journal.events())
        state.apply_all(events)
    except Exception as error:
        return [f"I8 the journal cannot be read: {type(error).__name__}: {error}"]
    facts = Facts(paths, ledger, lines, events, state, is_over, code, power_cut)
    return [violation for check in CHECKS for violation in check(facts)]


def _results(facts: Facts) -> Iterator[str]:
    acked: dict[int, list[float]] = defaultdict(list)
    for line in facts.of("acked"):
        acked[line.trial].append(float.fromhex(line.score))
    for number, scores in acked.items():
        trial = facts.state.trials.get(number)
        if trial is None:
            yield f"I1 trial {number} acknowledged {scores[-1]!r} and is unknown"
        elif trial.status is Status.COMPLETED and trial.score not in scores:
            yield f"I1 trial {number} acknowledged {scores!r}, recorded is {trial.score!r}"
        elif trial.status is not Status.COMPLETED and scores[-1] == scores[-1] and facts.is_over:
            yield f"I1 trial {number} acknowledged {scores[-1]!r} and is {trial.status.value}"
    for trial in facts.state.trials.values():
        if trial.status is Status.COMPLETED and trial.id not in acked:
            # Killed between the report and its own line: the report must be the only witness.
            begun = [line for line in facts.of("start") if line.trial == trial.id]
            if not begun:
                yield f"I1 trial {trial.id} is COMPLETED and never began"


def _survivors(facts: Facts) -> Iterator[str]:
    left = survivors(facts.ledger) if facts.is_over else []
    if left:
        yield f"I2 still alive: {left}"


def _leases(facts: Facts) -> Iterator[str]:
    last: dict[tuple[int, int, int], Line] = {}
    for line in facts.lines:
        last[line.trial, line.attempt, line.pid] = line
    spans = defaultdict(list)
    for line in facts.of("start"):
        if line.neighbours:
            yield f"I3 trial {line.trial} met {list(line.neighbours)} on slot {line.slot}"
        if line.slot:
            end = last[line.trial, line.attempt, line.pid].at
            spans[line.slot].append((line.at, end, line.trial))
    for slot, taken in spans.items():
        for one, two in itertools.pairwise(sorted(taken)):
            if two[0] < one[1]:
                yield f"I3 trials {one[2]} and {two[2]} were on slot {slot} together"


def _once(facts: Facts) -> Iterator[str]:
    starts = Counter((line.trial, line.attempt) for line in facts.of("start"))
    planned = {(e.trial, e.attempt) for e in facts.events if isinstance(e, AttemptPlanned)}
    for key, count in starts.items():
        if count > 1 and not facts.power_cut:
            yield f"I4 attempt {key[1]} of trial {key[0]} was started {count} times"
        if key not in planned:
            yield f"I4 attempt {key[1]} of trial {key[0]} was started and never planned"
    ends = Counter(event.trial for event in facts.events if isinstance(event, TrialEnded))
    for number, count in ends.items():
        if count > 1:
            yield f"I4 trial {number} ended {count} times"
    completed = Counter(line.trial for line in facts.of("acked") if not facts.power_cut)
    for number, count in completed.items():
        if count > 1:
            yield f"I4 trial {number} acknowledged a result in {count} attempts"


def _best_model(facts: Facts) -> Iterator[str]:
    paths, best = facts.paths, _argmax(facts.state)
    if best != facts.state.best:
        yield f"I5 the best trial is {best and best.id}, the state says {facts.state.best}"
    if not paths.best_model.is_dir():
        if facts.is_over and best is not None and best.has_model:
            yield f"I5 best_model is missing, trial {best.id} is best"
        return
    files = describe_files(paths.best_model)
    models = {
        trial.id: describe_files(paths.model(trial.round, trial.member))
        for trial in facts.state.trials.values()
        if trial.status is Status.COMPLETED
    }
    owners = [number for number, model in models.items() if model == files]
    if not facts.is_over:  # a kill may leave the one before, but never a part
        if not owners:
            yield "I5 best_model is no completed trial's model"
        return
    try:
        manifest = json.loads(paths.best_model_manifest.read_bytes())
    except (OSError, ValueError) as error:
        yield f"I5 best_model.json: {error}"
        return
    if best is None or best.id not in owners:
        yield f"I5 best_model is of trial {owners}, best is {best and best.id}"
    if best is not None and (manifest["trial"], manifest["score"]) != (best.id, best.score):
        yield f"I5 best_model.json names trial {manifest['trial']}, best is {best.id}"
    if manifest["files"] != files:
        yield "I5 best_model.json does not describe best_model"


def _argmax(state: State) -> Trial | None:
    done = [t for t in state.trials.values() if t.status is Status.COMPLETED]
    return max(done, key=lambda t: (state.merit(t), -t.id), default=None)


def _order(facts: Facts) -> Iterator[str]:
    for trial in facts.state.trials.values():
        is_finite = trial.score is not None and trial.score - trial.score == 0.0
        if trial.status is Status.COMPLETED and not is_finite:
            yield f"I6 trial {trial.id} is COMPLETED with {trial.score}"
        if trial.status is Status.FAILED and trial.score is not None:
            yield f"I6 trial {trial.id} is FAILED with {trial.score}"
    best = facts.state.best
    if best is not None and best.status is not Status.COMPLETED:
        yield f"I6 the best trial {best.id} is {best.status.value}"


def _reasons(facts: Facts) -> Iterator[str]:
    for trial in facts.state.trials.values():
        is_bad = trial.status in (Status.FAILED, Status.STOPPED)
        if is_bad and not _REASON.fullmatch(trial.reason):
            yield f"I7 trial {trial.id} is {trial.status.value} with reason {trial.reason!r}"


def _files(facts: Facts) -> Iterator[str]:
    root = facts.paths.root
    for path in sorted(root.rglob("*")):
        if facts.power_cut and _may_be_torn(path):
            continue
        if path.suffix == ".json":
            try:
                json.loads(path.read_bytes())
            except ValueError as error:
                yield f"I8 {path.relative_to(root)}: {error}"
        elif facts.is_over and (
            path.name.endswith(".tmp") or path.name.startswith(".best_model.")
        ):
            yield f"I8 {path.relative_to(root)} was left behind"
    if facts.paths.config.exists():
        try:
            read_yaml(facts.paths.config)
        except Exception as error:
            yield f"I8 config.yaml: {error}"
    with contextlib.closing(sqlite3.connect(facts.paths.journal)) as database:
        (found,) = database.execute("PRAGMA integrity_check").fetchone()
    if found != "ok":
        yield f"I8 run.db: {found}"
    if facts.is_over:
        yield from _table(facts)


def _may_be_torn(path: Path) -> bool:
    """Whether a power cut may leave this: what says how to start, or an end not yet believed.

    A tuner that lives makes an end durable in its journal, not in the record of the runner.
    """
    names = ("spec.json", "started.json", "exit.json")
    is_empty = path.name in names and path.stat().st_size == 0
    return is_empty or path.name.endswith(".json.tmp")


def _table(facts: Facts) -> Iterator[str]:
    with facts.paths.trials_csv.open(newline="") as file:
        shown = {
            int(row["trial"]): (row["state"], row["reason"], row["score"])
            for row in csv.DictReader(file)
        }
    for trial in (t for t in facts.state.trials.values() if t.status.is_final):
        score = "" if trial.score is None else repr(trial.score)
        if shown.get(trial.id) != (trial.status.value, trial.reason, score):
            yield f"I8 trials.csv says {shown.get(trial.id)} of trial {trial.id}"


def _exit_code(facts: Facts) -> Iterator[str]:
    if facts.code is None:
        return
    state = facts.state
    if state.end_reason in ("done", "exhausted"):
        wanted = {0} if state.best is not None else {3}
    elif state.end_reason == INTERRUPTED:
        wanted = {129, 130, 143}
    elif state.end_reason is not None:
        wanted = {3, 4} if state.end_reason.startswith(f"{ERROR}:") else {3}
    else:
        wanted = {4, 129, 130, 143}
    if facts.code not in wanted:
        yield f"I9 exit code {facts.code}, the run ended with {state.end_reason}"


CHECKS: Sequence[Callable[[Facts], Iterator[str]]] = (
    _results,
    _survivors,
    _leases,
    _once,
    _best_model,
    _order,
    _reasons,
    _files,
    _exit_code,
)
