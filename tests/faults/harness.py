"""A run that can be hurt: a training script with a ledger of its own, and tuners to kill.

The script writes its ledger outside the output directory, one appended line per fact, so a lost
or doubled result shows however the run ended. `oracle.check_invariants` compares the two.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from autofinetune.config.config import Config
from autofinetune.core.state import State
from autofinetune.core.status import Direction
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.space import load_space
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of, options_of, tuner_in_memory
from tests.nursery import Forked, Nursery

LEDGER_VARIABLE = "FAULT_LEDGER"
PLAN_VARIABLE = "FAULT_PLAN"
DEADLINE_S = 60.0
_LOOK_S = 0.002

HPARAM: dict[str, Any] = {
    "param_list": [
        {"name": "lr", "type": "float", "init_value": 0.01, "greater_than": 0, "lower_than": 0.05},
        {"name": "units", "type": "int", "init_value": 16, "greater_than": 4, "lower_than": 64},
    ]
}  # fmt: skip


def score_of(lr: float, units: int) -> float:
    """A score with all its digits, so that a rounded one is noticed."""
    return 1.0 - abs(math.sin(300.0 * lr) - 0.5) - abs(units - 40) / 97.0


_TRAIN = '''
"""Trains nothing; what it does instead stands in the file that FAULT_PLAN names:

{"*": {...}, "3": {...}, "3/1": {...}} by trial and attempt, the narrower one wins:
seconds  how long it works            hold        a file it waits for before it reports
report   "score", "nan" or "none"     hold_acked  a file it waits for after it reported
exit     its exit code                signal      it kills itself with this, before reporting
deaf     SIGTERM is only noted        tree        children: plain, setsid, setsid + double fork
reports  intermediate reports         bytes       the size of the model
"""
import argparse, json, math, os, signal, sys, time
from autofinetune.trial.report import report_final_result, report_intermediate_result

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--units", type=int)
parser.add_argument("--saved_params_dir")
parser.add_argument("--model_path", default="")
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()
MARK = os.environ["AUTOFINETUNE_MARK"]
TRIAL, ATTEMPT = MARK.split("/")[1:]
SLOT = os.environ.get("CUDA_VISIBLE_DEVICES", "")
LEDGER = os.environ["FAULT_LEDGER"]
plan = {}
if os.path.exists(os.environ.get("FAULT_PLAN", "")):
    with open(os.environ["FAULT_PLAN"]) as file:
        plans = json.load(file)
    for key in ("*", TRIAL, f"{TRIAL}/{ATTEMPT}"):
        plan.update(plans.get(key, {}))


def note(what, **more):
    line = {"what": what, "trial": int(TRIAL), "attempt": int(ATTEMPT), "pid": os.getpid(),
            "slot": SLOT, "at": time.monotonic(), **more}
    file = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, json.dumps(line).encode() + b"\\n")
    os.close(file)


def neighbours():
    """Processes of another attempt of this run on our slot; an honest lease leaves none.

    A runner that has written its record and is about to end holds no device.
    """
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and SLOT:
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    words = file.read().split(b"\\0")
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    is_runner = b"autofinetune.runner.main" in file.read()
            except OSError:
                continue
            marks = [w for w in words if w.startswith(b"AUTOFINETUNE_MARK=")]
            if (f"FAULT_LEDGER={LEDGER}".encode() in words and marks and not is_runner
                    and f"CUDA_VISIBLE_DEVICES={SLOT}".encode() in words
                    and marks[0] != b"AUTOFINETUNE_MARK=" + MARK.encode()):
                found.append(int(name))
    return found


def wait_for(path):
    while path and not os.path.exists(path):
        time.sleep(0.005)


def leave_tree():
    """Three kinds of children that outlive us; returns when all of them have begun."""
    reader, writer = os.pipe()
    for kind in ("plain", "setsid", "double"):
        if os.fork() == 0:
            if kind != "plain":
                os.setsid()
            if kind == "double" and os.fork():
                os._exit(0)
            note("child", kind=kind)
            os.write(writer, b"!")
            while True:
                signal.pause()
    for _ in range(3):
        os.read(reader, 1)


#SCORE#

if plan.get("deaf"):
    signal.signal(signal.SIGTERM, lambda signum, frame: note("deaf"))
note("start", neighbours=neighbours())
if plan.get("tree"):
    leave_tree()
time.sleep(plan.get("seconds", 0))
wait_for(plan.get("hold"))
with open(os.path.join(args.saved_params_dir, "weights"), "w") as file:
    file.write(f"trial {TRIAL} attempt {ATTEMPT}\\n" + "w" * plan.get("bytes", 3000))
    file.flush()
    os.fsync(file.fileno())
for step in range(plan.get("reports", 1)):
    report_intermediate_result(step / 10, step)
if plan.get("signal"):
    os.kill(os.getpid(), plan["signal"])
how = plan.get("report", "score")
if how != "none":
    score = score_of(args.lr, args.units) if how == "score" else float(how)
    report_final_result(score)
    note("acked", score=score.hex())
wait_for(plan.get("hold_acked"))
note("end")
sys.exit(plan.get("exit", 0))
'''
TRAIN = _TRAIN.replace("#SCORE#", inspect.getsource(score_of))


@dataclass(frozen=True)
class Line:
    """One fact in the ledger; `at` is the monotonic clock of the machine."""

    what: str
    trial: int
    attempt: int
    pid: int
    slot: str
    at: float
    score: str = ""
    kind: str = ""
    neighbours: Sequence[int] = ()


def read_ledger(path: Path) -> list[Line]:
    """All whole lines; the writer may be at work."""
    data = path.read_bytes() if path.exists() else b""
    return [
        Line(**json.loads(line)) for line in data.splitlines(keepends=True) if line[-1:] == b"\n"
    ]


def survivors(ledger: Path) -> list[int]:
    """Living processes below any tuner of this run; a zombie is dead."""
    wanted = f"{LEDGER_VARIABLE}={ledger}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def wait_until(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        select.select([], [], [], _LOOK_S)


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped a process, and not only been sent."""
    return "State:\tT" in Path(f"/proc/{pid}/status").read_text()


def can_attach() -> bool:
    """Whether a process may be traced that is not a child of the tracer."""
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    return os.geteuid() == 0 or not scope.exists() or scope.read_text() == "0\n"


# --- tuners -------------------------------------------------------------------------------------


class Life(Protocol):
    """One life of a tuner."""

    pid: int

    def send_signal(self, signum: int) -> None: ...

    def wait(self, timeout: float | None = None) -> int: ...


@dataclass
class FaultRun:
    """A user's directory below `root`, the words of a run, and the tuners started in it."""

    root: Path
    nursery: Nursery | None = None
    strategy: str = "pshe2"
    evaluator: str = "populationbased"
    schedule: str = "round"  # of which runs can be compared with each other
    popsize: int = 2
    rounds: int = 2
    seed: int = 1
    gpu: str = "0,1"
    options: Sequence[str] = ()
    env: dict[str, str] = field(default_factory=dict)
    out: str = "result"  # a path of its own lets it lie on another disk
    lives: list[Life] = field(default_factory=list)
    tracers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "train.py").write_text(TRAIN)
        (self.root / "hparam.yaml").write_text(json.dumps(HPARAM))  # JSON is YAML

    @property
    def output_dir(self) -> Path:
        return self.root / self.out

    @property
    def paths(self) -> RunPaths:
        return RunPaths(self.output_dir)

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    @property
    def console(self) -> str:
        """Everything its tuners have said."""
        path = self.root / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def plan(self, behaviours: Mapping[str, Mapping[str, object]]) -> None:
        """What the script does; see its first lines."""
        partial = self.root / "plan.new"
        partial.write_text(json.dumps(behaviours))
        partial.replace(self.root / "plan.json")

    def release(self, name: str = "go") -> None:
        """Let the trials go on that wait for the file `name`."""
        (self.root / name).touch()

    def lines(self, what: str) -> list[Line]:
        return [line for line in read_ledger(self.ledger) if line.what == what]

    def events(self) -> list[Any]:
        with contextlib.closing(SqliteJournal(self.paths.journal, read_only=True)) as journal:
            return list(journal.events())

    def state(self) -> State:
        """The journal folded."""
        state = State(Direction.MAXIMIZE)
        state.apply_all(self.events())
        return state

    def holds_run(self) -> bool:
        path = self.paths.journal
        try:
            return path.exists() and path.stat().st_size > 0 and bool(self.events())
        except Exception:  # killed while it was made
            return False

    # --- starting -------------------------------------------------------------------------------

    def new_words(self) -> list[str]:
        return [
            "train.py", "--param_file=hparam.yaml", f"--gpu={self.gpu}",
            f"--popsize={self.popsize}", f"--round={self.rounds}", f"--seed={self.seed}",
            f"--tuning_strategy={self.strategy}", f"--evaluator={self.evaluator}",
            f"--schedule={self.schedule}",
            f"--output_dir={self.out}", "--skip-preflight", "--min_free_gb=0", *self.options,
        ]  # fmt: skip

    def resume_words(self) -> list[str]:
        return ["resume", self.out]

    def words(self) -> list[str]:
        """What a person would type now: start the run, or go on with it."""
        return self.resume_words() if self.holds_run() else self.new_words()

    def environ(self) -> dict[str, str]:
        env = {
            **os.environ,
            "HOME": str(self.root),
            LEDGER_VARIABLE: str(self.ledger),
            PLAN_VARIABLE: str(self.root / "plan.json"),
            **self.env,
        }
        env.pop("CUDA_VISIBLE_DEVICES", None)
        return env

    def start(self, *words: str) -> Life:
        """Start a tuner with `words`, or with what is due."""
        given = list(words) or self.words()
        if self.nursery is None:
            return self.start_fresh(*given)
        return self._keep(Forked(self.nursery, self._task(given)))

    def start_traced(self, *expressions: str, output: str = os.devnull) -> Life:
        """Start what is due with its own system calls, not its children's, meddled with."""
        words = ["strace", "-qq", "-o", output]
        words += [word for expression in expressions for word in ("-e", expression)]
        if self.nursery is None or not can_attach():
            return self.start_fresh(before=words)
        life = self._keep(Forked(self.nursery, {**self._task(self.words()), "stop": True}))
        status = Path(f"/proc/{life.pid}/status")
        wait_until(lambda: is_stopped(life.pid))
        self.tracers.append(subprocess.Popen([*words, "-p", str(life.pid)]))
        wait_until(lambda: "TracerPid:\t0" not in status.read_text())
        life.send_signal(signal.SIGCONT)
        return life

    def _task(self, words: Sequence[str]) -> dict[str, object]:
        return {
            "words": words, "cwd": str(self.root), "env": self.environ(),
            "out": str(self.root / "console"),
        }  # fmt: skip

    def start_fresh(
        self,
        *words: str,
        before: Sequence[str] = (),
        out: int | None = None,
        err: int | None = None,
    ) -> Life:
        """Start a whole new interpreter.

        Args:
            before: the words of a wrapper such as strace.
            out, err: descriptors for its outputs in the place of the file `console`.
        """
        command = [*before, sys.executable, "-m", "autofinetune", *(words or self.words())]
        with (self.root / "console").open("ab") as console:
            process = subprocess.Popen(
                command, cwd=self.root, env=self.environ(), stdin=subprocess.DEVNULL,
                stdout=console if out is None else out, stderr=console if err is None else err,
            )  # fmt: skip
        return self._keep(process)

    def _keep(self, life: Life) -> Life:
        self.lives.append(life)
        return life

    def finish(self, *words: str) -> int:
        """Start a tuner and wait for its end; its exit code."""
        return self.start(*words).wait(DEADLINE_S)

    def finish_by_resuming(self, most: int = 3) -> int:
        """Go on until the run is over, as a person would; the last exit code."""
        code = self.finish()
        for _ in range(most):
            if code == 0:
                break
            code = self.finish()
        return code

    def kill(self, life: Life, signum: int = signal.SIGKILL) -> int:
        life.send_signal(signum)
        return life.wait(DEADLINE_S)

    def runner_of(self, trial: int, attempt: int = 1) -> int:
        """The pid of the process that owns this attempt."""
        path = self.paths.attempt_dir(trial, attempt) / "started.json"
        return int(json.loads(path.read_bytes())["pid"])

    def survivors(self) -> list[int]:
        return survivors(self.ledger)

    def close(self) -> None:
        """End everything that a failed test may have left."""
        for life in self.lives:
            with contextlib.suppress(ProcessLookupError):
                life.send_signal(signal.SIGKILL)
            life.wait(DEADLINE_S)
        for tracer in self.tracers:
            tracer.wait(DEADLINE_S)
        while left := self.survivors():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for path in self.output_dir.glob("trials/*/*/started.json"):
            with contextlib.suppress(Exception):  # a script may have written anything there
                for group in json.loads(path.read_bytes()).get("cgroups", ()):
                    Path(group).rmdir()  # its runner was killed

    # --- what it must come to -------------------------------------------------------------------

    def config(self) -> Config:
        return config_of(
            load_space(HPARAM), popsize=self.popsize, round=self.rounds, seed=self.seed,
            tuning_strategy=self.strategy, evaluator=self.evaluator,
        )  # fmt: skip

    def table(self) -> list[tuple[object, ...]]:
        return table_of(self.state())

    def undisturbed(self) -> list[tuple[object, ...]]:
        """The table of the same run without any fault, played in memory."""
        tuner = tuner_in_memory(self.root / "undisturbed", self.config(), program=_play)
        tuner.start("undisturbed")
        return table_of(tuner.run())


def table_of(state: State) -> list[tuple[object, ...]]:
    """What a run came to, without times, slots, attempts and words."""
    return [
        (t.id, t.round, t.member, tuple(t.params.items()), t.parent, t.status.value, t.score)
        for t in (state.trials[key] for key in sorted(state.trials))
    ]


def _play(attempt: Attempt) -> Played:
    options = options_of(attempt)
    (Path(options["saved_params_dir"]) / "weights").write_text("played")
    return Played(final=score_of(float(options["lr"]), int(options["units"])))


# --- faults that come again and again -----------------------------------------------------------

STEPS = ("fsync", "fdatasync", "rename")


@dataclass
class Tally:
    """What many faults came to."""

    faults: int = 0
    runs: int = 0
    violations: list[str] = field(default_factory=list)

    def check(self, run: FaultRun, where: str, **how: Any) -> None:
        from tests.faults.oracle import check_invariants  # it reads our ledger, so not above

        found = check_invariants(run.output_dir, run.ledger, **how)
        self.violations += [f"{where}: {violation}" for violation in found]

    def finish(self, run: FaultRun, where: str, **how: Any) -> None:
        """Go on to the end: it must come to the table of the same run without a fault.

        By the schedule `async` the table is a matter of time; it must be as long as configured.
        """
        code = run.finish()
        self.runs += 1
        if code != 0:
            said = run.console[-300:]
            self.violations.append(f"{where}: the way on exited {code}: {said}")
            return
        self.check(run, where, code=code, **how)
        table = run.table()
        if run.schedule == "async" and len(table) != run.popsize * run.rounds:
            self.violations.append(f"{where}: the table has {len(table)} rows")
        if run.schedule == "round" and table != run.undisturbed():
            self.violations.append(f"{where}: the table is not that of the undisturbed run")


def kill_at_step(run: FaultRun, step: str, nth: int) -> Tally:
    """Kill the tuner as it enters its `nth` call of `step`, then go on."""
    tally = Tally()
    with contextlib.closing(run):
        life = run.start_traced(f"trace={step}", f"inject={step}:signal=SIGKILL:when={nth}")
        if life.wait(DEADLINE_S) != 0:
            tally.faults += 1
            if run.holds_run():
                tally.check(run, f"{step} {nth}", is_over=False)
        tally.finish(run, f"{step} {nth}")
    return tally
