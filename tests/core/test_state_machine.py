"""A run in memory under faults in any order: trials end in any way, tuners are killed, disks fill.

State, scheduler, verdict, safety and tuner are real; processes, the journal's disk and the user
are simulated by the state machine. Whatever happens, nothing is started or told twice, the journal
folds to the live state, and the run can be finished.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from autofinetune.assessors import Assessor
from autofinetune.config.config import Config
from autofinetune.config.safety import Safety
from autofinetune.core.curves import Curve, Curves
from autofinetune.core.events import Event, Reported, StopRequested
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Status
from autofinetune.errors import DiskFull
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import Attempt, Executor, ExitRecord, JobState, Observation, Report
from autofinetune.run.tuner import Tuner
from autofinetune.sinks import SinkGuard
from autofinetune.store.journal import MemoryJournal
from autofinetune.store.paths import RunPaths
from autofinetune.strategies import SCHEDULES, Candidate, Strategy
from autofinetune.world import World
from tests.helpers import TYPICAL, Clock, config_of, space_of, strategy_of

Key = tuple[int, int]
ENDS: dict[str, tuple[ExitRecord | None, tuple[float, ...]]] = {
    "score": (ExitRecord("exit", 0, 60.0), (0.5,)),
    "scores": (ExitRecord("exit", 0, 60.0), (0.9, math.nan, 0.25)),
    "score and crash": (ExitRecord("exit", 3, 60.0), (0.75,)),
    "nothing": (ExitRecord("exit", 0, 60.0), ()),
    "nan": (ExitRecord("exit", 0, 60.0), (math.nan,)),
    "crash": (ExitRecord("exit", 3, 60.0), ()),
    "fast crash": (ExitRecord("exit", 1, 0.1), ()),
    "signal": (ExitRecord("exit", -9, 60.0), ()),
    "memory": (ExitRecord("exit", -9, 60.0, is_oom=True), ()),
    "limit": (ExitRecord("timeout", -15, 60.0), ()),
    "no start": (ExitRecord("spawn", None, 0.0, error="no such file"), ()),
    "lost": (None, ()),
    "lost after a score": (None, (0.5,)),
    "survivors": (ExitRecord("exit", 0, 60.0, survivors=(4711,)), (0.5,)),
}


WHICH = st.integers(0, 2)
STEPS = st.tuples(WHICH, st.sampled_from(sorted(ENDS)), st.booleans())


class Waits(Exception):
    """The tuner waits for an event."""


class Killed(Exception):
    """The tuner was killed."""


@dataclasses.dataclass
class Job:
    """A process tree and its output; it continues whatever happens to the tuner."""

    slot: str
    reports: list[Report] = dataclasses.field(default_factory=list)
    is_over: bool = False
    should_stop: bool = False
    exit: ExitRecord | None = None

    def report(self, kind: str, score: float) -> None:
        self.reports.append(Report(kind, score, None, len(self.reports) + 1))

    def end(self, how: str) -> None:
        self.exit, finals = ENDS[how]
        for score in finals:
            self.report("final", score)
        self.is_over = True


class Disk(MemoryJournal):
    """A journal whose writer can be killed before or after a write, or run out of space."""

    def __init__(self) -> None:
        super().__init__()
        self.writes_left: int | None = None
        self.is_written_then = False
        self.full = 0

    def append(self, events: Sequence[Event]) -> None:
        if self.full:
            self.full -= 1
            raise DiskFull("the disk is full", "")
        if self.writes_left == 0:
            if self.is_written_then:
                super().append(events)
            raise Killed
        if self.writes_left is not None:
            self.writes_left -= 1
        super().append(events)


class Machine(Executor):
    """The jobs of this machine as seen by one tuner."""

    def __init__(self, jobs: dict[Key, Job], slots: Sequence[str], disk: Disk) -> None:
        self._jobs = jobs
        self._slots = [Slot.read(name) for name in slots]
        self._disk = disk
        self._seen: dict[Key, int] = {}  # reports that were observed
        self._submitted: set[Key] = set()
        self.cancelled: Counter[Key] = Counter()
        self.submits_left: int | None = None
        self.busy = 0  # how many starts find the machine busy

    def slots(self) -> Sequence[Slot]:
        return self._slots

    def submit(self, attempt: Attempt) -> dict[str, object]:
        key = attempt.key
        if self.busy:
            self.busy -= 1
            raise BlockingIOError(11, "no room for a process")
        assert key not in self._submitted, "submitted twice in one life"
        self._submitted.add(key)
        if key not in self._jobs:
            written = State()
            written.apply_all(self._disk.events())
            trial = written.trials[attempt.trial]
            assert (trial.attempt, trial.status) == (key[1], Status.RUNNING), "it is not planned"
            assert attempt.slot not in written.quarantined
            taken = [job.slot for job in self._jobs.values() if not job.is_over]
            assert attempt.slot not in taken, "two trials on one slot"
            self._jobs[key] = Job(attempt.slot)
        if self.submits_left == 0:
            raise Killed
        if self.submits_left is not None:
            self.submits_left -= 1
        self._seen[key] = 0
        return {"pid": key[0]}

    def poll(self, wait_s: float) -> list[Observation]:
        found = []
        for key, seen in list(self._seen.items()):
            job = self._jobs[key]
            reports = tuple(job.reports[seen:])
            self._seen[key] = len(job.reports)
            state = JobState.RUNNING
            if job.is_over:
                state = JobState.LOST if job.exit is None else JobState.EXITED
                del self._seen[key]
            if reports or job.is_over:
                found.append(Observation(key, state, reports, job.exit))
        if not found:
            raise Waits
        return found

    def wake(self) -> None:
        pass

    def request_stop(self, key: Key) -> None:
        written = State()
        written.apply_all(self._disk.events())
        assert written.trials[key[0]].stop_reason, "it is asked before that is written down"
        self._jobs[key].should_stop = True

    def cancel(self, key: Key) -> None:
        self.cancelled[key] += 1
        job = self._jobs[key]
        if not job.is_over:
            job.is_over, job.exit = True, ExitRecord("cancel", -15, 60.0)

    def close(self) -> None:
        pass


class Strict(Assessor):
    """Stops every trial that reports a negative score."""

    def assess(self, curve: Curve, curves: Curves) -> str:
        return "below nothing" if curve.merits[-1] < 0 else ""


class Once(Strategy):
    """A strategy that fails if one tuner tells it a result twice."""

    def __init__(self, inner: Strategy) -> None:
        self._inner = inner
        self.told: dict[int, float | None] = {}

    def ask(self, n: int) -> list[Candidate]:
        return self._inner.ask(n)

    def restore(self, candidate: Candidate) -> None:
        self._inner.restore(candidate)

    def tell(self, candidate: Candidate, score: float | None) -> None:
        assert candidate.id not in self.told, "told twice"
        self.told[candidate.id] = score
        self._inner.tell(candidate, score)


class Run(RuleBasedStateMachine):
    """One run from its first event to its end, with any number of tuners."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.disk = Disk()
        self.jobs: dict[Key, Job] = {}
        self.free_gb = math.inf
        self.clock = Clock()
        self.end_reason: str | None = None
        self.tuner: Tuner | None = None

    @initialize(
        strategy=st.sampled_from(TYPICAL),
        evaluator=st.sampled_from(sorted(EVALUATORS)),
        kinds=st.sampled_from([("float", "int"), ("small",), ("choice", "small")]),
        schedule=st.sampled_from(SCHEDULES),
        popsize=st.integers(1, 3),
        slots=st.integers(1, 3),
        retries=st.integers(0, 1),
        failures=st.sampled_from([0, 3]),
        strict_exit=st.booleans(),
        is_assessed=st.booleans(),
    )
    def begin(
        self,
        strategy: str,
        evaluator: str,
        kinds: tuple[str, ...],
        schedule: str,
        popsize: int,
        slots: int,
        retries: int,
        failures: int,
        strict_exit: bool,
        is_assessed: bool,
    ) -> None:
        safety = Safety(
            max_retries={"exit": retries, "runner_lost": 2},
            max_failures=failures,
            min_free_gb=1.0,
            strict_exit=strict_exit,
        )
        self.slots = [f"slot{n}" for n in range(slots)]
        self.config: Config = config_of(
            space_of(*kinds), tuning_strategy=strategy, evaluator=evaluator,
            popsize=popsize, round=3, schedule=schedule, safety=safety,
        )  # fmt: skip
        self.assessor = Strict("maximize") if is_assessed else None
        self.open_tuner()
        self.work()

    # --- tuners ---------------------------------------------------------------------------------

    def open_tuner(self) -> None:
        """Open a new tuner, which starts or resumes the run."""
        paths = RunPaths(self.root)
        evaluator = EVALUATORS[self.config.evaluator](self.config)
        self.strategy = Once(strategy_of(self.config))
        self.machine = Machine(self.jobs, self.slots, self.disk)
        world = World(self.clock, free_gb=lambda: self.free_gb, monotonic=self.clock)
        tuner = Tuner(
            self.config, paths, self.disk, self.strategy, evaluator, self.machine,
            SinkGuard([], self.fail), world, self.assessor,
        )  # fmt: skip
        self.tuner, self.end_reason = tuner, None
        with self.living():
            tuner.resume() if any(True for _ in self.disk.events()) else tuner.start("run")

    @staticmethod
    def fail(sentence: str) -> None:
        raise AssertionError(sentence)

    @contextlib.contextmanager
    def living(self) -> Iterator[None]:
        """Allow the tuner to be killed inside."""
        try:
            yield
        except DiskFull:  # an interrupted tuner does not wait for space
            assert self.tuner is not None
            assert self.tuner.interrupted
            self.tuner = None
        except Killed:
            self.tuner = None
            self.disk.writes_left = None

    @property
    def running(self) -> list[Key]:
        return [key for key, job in self.jobs.items() if not job.is_over]

    def work(self) -> None:
        """Let the tuner do all it can do now."""
        if self.tuner is None or self.end_reason is not None:
            return
        with self.living(), contextlib.suppress(Waits):
            state = self.tuner.run()
            self.end_reason = state.end_reason or "interrupted"

    @rule(steps=st.lists(STEPS, min_size=1, max_size=6))
    def trials_end(self, steps: list[tuple[int, str, bool]]) -> None:
        """End trials one after the other, or several before the tuner looks."""
        for which, how, is_looked_at in steps:
            if self.running:
                self.jobs[self.running[which % len(self.running)]].end(how)
            if is_looked_at:
                self.work()

    @precondition(lambda self: bool(self.running))
    @rule(which=WHICH, scores=st.lists(st.floats(), min_size=1, max_size=3))
    def a_trial_reports(self, which: int, scores: list[float]) -> None:
        for score in scores:
            self.jobs[self.running[which % len(self.running)]].report("intermediate", score)
        self.work()

    @precondition(lambda self: any(self.jobs[key].should_stop for key in self.running))
    @rule(how=st.sampled_from(sorted(ENDS)))
    def one_that_was_asked_stops(self, how: str) -> None:
        """End an attempt that was asked to stop; it counts as stopped however it ends."""
        key = next(key for key in self.running if self.jobs[key].should_stop)
        self.jobs[key].end(how)
        self.work()

    @precondition(lambda self: bool(self.running))
    @rule(seconds=st.integers(1, 100))
    def time_goes_by(self, seconds: int) -> None:
        """Advance the clock; attempts that were asked to stop and have not are cancelled."""
        self.clock.seconds += seconds
        self.work()

    # --- faults ---------------------------------------------------------------------------------

    @precondition(lambda self: self.tuner is None or self.end_reason is not None)
    @rule()
    def resume(self) -> None:
        """Resume after a kill, an interrupt, or the end."""
        self.open_tuner()
        self.work()

    @precondition(lambda self: self.tuner is not None)
    @rule(writes=st.integers(0, 6), is_written=st.booleans())
    def kill_at_a_write(self, writes: int, is_written: bool) -> None:
        self.disk.writes_left, self.disk.is_written_then = writes, is_written

    @precondition(lambda self: self.tuner is not None)
    @rule(submits=st.integers(0, 2))
    def kill_at_a_start(self, submits: int) -> None:
        self.machine.submits_left = submits

    @precondition(lambda self: self.tuner is not None)
    @rule(times=st.integers(1, 3), steps=st.lists(STEPS, max_size=1))
    def interrupt(self, times: int, steps: list[tuple[int, str, bool]]) -> None:
        """Interrupt up to three times: let running trials finish, stop them, kill them."""
        assert self.tuner is not None
        for _ in range(times):
            self.tuner.interrupt()
        self.trials_end(steps)
        self.work()

    @rule(
        writes=st.integers(0, 5),
        starts=st.integers(0, 3),
        free_gb=st.sampled_from([0.0, math.inf]),
    )
    def lack(self, writes: int, starts: int, free_gb: float) -> None:
        """Limit writes to the disk, starts of processes and the space for new trials."""
        self.disk.full, self.machine.busy, self.free_gb = writes, starts, free_gb
        self.work()

    # --- invariants -----------------------------------------------------------------------------

    @invariant()
    def the_journal_is_the_state(self) -> None:
        """The live tuner's state equals the folded journal; a killed tuner's is not checked."""
        folded = State()
        folded.apply_all(self.disk.events())
        if self.tuner is not None:
            assert vars(self.tuner.state) == vars(folded)
            over = {t.id: folded.told(t) for t in folded.trials.values() if t.status.is_final}
            assert set(self.strategy.told) == set(over)
            assert self.strategy.told == over
        check_counts(folded)
        reported = [
            (event.trial, event.attempt, event.offset)
            for event in self.disk.events()
            if isinstance(event, Reported)
        ]
        assert len(reported) == len(set(reported))
        asked = {
            (event.trial, event.attempt)
            for event in self.disk.events()
            if isinstance(event, StopRequested)
        }
        for trial in folded.trials.values():
            was_asked = (trial.id, trial.attempt) in asked
            assert (trial.status is Status.STOPPED) == (was_asked and trial.status.is_final)
            assert (trial.stop_reason != "") == was_asked

    def teardown(self) -> None:
        """Once the user and the disk allow it, and trials succeed, the run finishes."""
        try:
            if hasattr(self, "config"):
                self.bring_to_the_end()
        finally:
            shutil.rmtree(self.root)

    def bring_to_the_end(self) -> None:
        self.free_gb, self.disk.full, self.disk.writes_left = math.inf, 0, None
        most = self.config.planned
        for _ in range(6 * most + 10):
            if self.end_reason in ("done", "exhausted"):
                break
            self.machine.busy, self.machine.submits_left = 0, None
            if self.tuner is None or self.end_reason is not None:
                self.open_tuner()
            self.work()
            for key in self.running:
                self.jobs[key].end("score")
        assert self.end_reason in ("done", "exhausted")
        self.the_journal_is_the_state()
        assert self.tuner is not None
        state = self.tuner.state
        assert state.ended == len(state.trials) <= most
        assert (len(state.trials) == most) == (self.end_reason == "done")
        assert not self.running


def check_counts(state: State) -> None:
    """The running counts equal a count of all trials."""
    trials = state.trials.values()
    assert state.counts == {s: sum(t.status is s for t in trials) for s in Status}
    assert state.queued == {t.id for t in trials if t.status is Status.QUEUED}
    assert state.running == {t.id for t in trials if t.status is Status.RUNNING}
    assert state.ended == sum(state.ended_by_round.values())
    slots = [state.trials[number].slot for number in state.running]
    assert len(slots) == len(set(slots))
    for trial in trials:
        assert trial.attempt >= len(trial.lost)
        if trial.status is Status.FAILED:
            assert trial.score is None
            assert trial.reason
        if trial.status is Status.COMPLETED:
            assert trial.score is not None
            assert math.isfinite(trial.score)
    done = [t for t in trials if t.status is Status.COMPLETED]
    best = max(done, key=lambda t: (state.merit(t), -t.id), default=None)
    assert state.best == best


TestRun = Run.TestCase
TestRun.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
