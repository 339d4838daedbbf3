"""Impossible configurations, searches in extreme spaces, and many trials: F58 to F62."""
# ruff: noqa: N802

from __future__ import annotations

import contextlib
import dataclasses
import gc
import itertools
import json
import math
import os
import re
import secrets
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from autofinetune.core.events import AttemptLost, AttemptPlanned, Event, TrialCreated, TrialEnded
from autofinetune.core.scheduler import Ask, Finish, Launch, plan
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Status
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors.devices.slots import find_slots
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.run.tuner import Tuner
from autofinetune.sinks import BestModel, Sink, SinkGuard, Tables
from autofinetune.sinks.visualdl import import_visualdl
from autofinetune.store.journal import SqliteJournal
from autofinetune.strategies import Candidate, Exhausted, Strategy, create_strategy
from autofinetune.world import World
from tests.faults.harness import DEADLINE_S, FaultRun, wait_until
from tests.faults.oracle import check_invariants
from tests.faults.test_disk import Mounts, mounts
from tests.helpers import TYPICAL, Clock, space_of

__all__ = ["mounts"]


def check(run: FaultRun, code: int = 0) -> None:
    assert check_invariants(run.output_dir, run.ledger, code=code) == [], run.console


# --- hparam.yaml --------------------------------------------------------------------------------

ENTRY = "{name: x%d, type: float, init_value: 0.5, greater_than: 0, lower_than: 1}"
BAD = {
    "nothing": b"",
    "a list": b"- 1\n",
    "utf-16": "param_list: []".encode("utf-16"),
    "zeros": b"\0" * 10000,
    "a bomb": b"a: &a [x,x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (c, c, c - 1, c - 1)
                                          for c in range(98, 110)) + b"param_list: *m\n",
    "a cycle": b"param_list: &a [*a]\n",
    "a tag": b"param_list: !!python/object/apply:os.system ['touch boom']\n",
    "same names": f"param_list: [{ENTRY % 1}, {ENTRY % 1}]".encode(),
    "the same key": b"param_list: [{name: x, name: y, type: float}]\n",
    "swapped bounds": b"param_list: [{name: x, type: float, greater_than: 1, lower_than: 0}]\n",
    "no width": b"param_list: [{name: x, type: int, greater_than: 1, lower_than: 1}]\n",
    "log of nothing": b"param_list: [{name: x, type: float, greater_than: 0, lower_than: 1, "
                      b"log: true, init_value: 0.5}]\n",
    "outside": b"param_list: [{name: x, type: float, greater_than: 0, lower_than: 1, "
               b"init_value: 7}]\n",
    "50 MB": b"#" * (50 << 20),
    "deep": b"[" * 100000,
    "many": ("param_list:\n" + "".join(f"- {ENTRY % 0}\n" for n in range(5000))).encode(),
}  # fmt: skip


def test_F58_what_is_no_space_is_refused_with_its_place(run: FaultRun) -> None:
    for name, data in BAD.items():
        (run.root / "hparam.yaml").write_bytes(data)
        (run.root / "console").unlink(missing_ok=True)
        assert run.finish(*run.new_words()) == 2, (name, run.console)
        assert re.search(r"hparam\.yaml", run.console), (name, run.console)
        assert "Traceback" not in run.console, name
        assert len(run.console) < 100_000, name
        assert not run.output_dir.exists(), name
    assert not (run.root / "boom").exists()


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit")
def test_F58_a_huge_file_takes_little_memory(run: FaultRun) -> None:
    (run.root / "hparam.yaml").write_bytes(b"param_list: [" + b"a, " * (20 << 20) + b"]")
    run.env["OPENBLAS_NUM_THREADS"] = "1"
    life = run.start_fresh(*run.new_words(), before=["prlimit", f"--as={400 << 20}"])
    assert life.wait(DEADLINE_S) == 2, run.console
    assert "Traceback" not in run.console


# --- searches at their edges --------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["pshe2", "hazero"])
@pytest.mark.parametrize(("evaluator", "count"), [("fulltrail", 3), ("populationbased", 16)])
def test_F59_a_space_of_three_values_with_eight_members(
    run: FaultRun, strategy: str, evaluator: str, count: int
) -> None:
    hparam = {
        "param_list": [
            {"name": "units", "type": "int", "init_value": 5, "greater_than": 4, "lower_than": 6}
        ]
    }
    (run.root / "hparam.yaml").write_text(json.dumps(hparam))
    script = (run.root / "train.py").read_text()
    (run.root / "train.py").write_text(script.replace('"--lr", type=float', '"--lr", default=0.1'))
    run.strategy, run.evaluator, run.popsize = strategy, evaluator, 8
    assert run.finish() == 0, run.console
    check(run)
    trials = run.state().trials
    assert len(trials) == count
    assert {trial.params["units"] for trial in trials.values()} == {4, 5, 6}


SCORES = st.one_of(st.none(), st.floats(-1e100, 1e100))
KINDS = st.lists(
    st.sampled_from(["float", "log", "int", "small", "choice"]), min_size=1, max_size=4
)


class Search(RuleBasedStateMachine):
    """Strategy, state and scheduler, with trials that end in any order and in any way."""

    @initialize(
        name=st.sampled_from(TYPICAL), kinds=KINDS, popsize=st.integers(1, 5),
        slots=st.integers(1, 4), seed=st.integers(0, 9), repeats=st.booleans(),
    )  # fmt: skip
    def begin(
        self, name: str, kinds: list[str], popsize: int, slots: int, seed: int, repeats: bool
    ) -> None:
        self.space = space_of(*kinds)
        self.strategy = create_strategy(
            name, self.space, popsize=popsize, seed=seed, allow_repeats=repeats
        )
        self.slots = [f"slot{n}" for n in range(slots)]
        self.most = popsize * 4
        self.state = State()
        self.asked: dict[int, Candidate] = {}
        self.told: set[int] = set()
        self.can_ask, self.exhausted, self.is_finished = True, False, False

    def apply(self, event: Event) -> None:
        self.state.apply(event)

    @rule()
    def work(self) -> None:
        taken = {self.state.trials[number].slot for number in self.state.running}
        free = [Slot.read(slot) for slot in self.slots if slot not in taken]
        for action in plan(
            self.state, free, max_trials=self.most, can_ask=self.can_ask,
            exhausted=self.exhausted, stopping=None,
        ):  # fmt: skip
            if isinstance(action, Finish):
                self.is_finished = True
            elif isinstance(action, Launch):
                attempt = self.state.trials[action.trial].attempt + 1
                self.apply(AttemptPlanned(0.0, action.trial, attempt, action.slot))
            elif isinstance(action, Ask):
                self.ask(action.count)

    def ask(self, count: int) -> None:
        try:
            candidates = self.strategy.ask(count)
        except Exhausted:
            self.exhausted = True
            return
        self.can_ask = bool(candidates)
        for c in candidates:
            assert c.id not in self.asked
            assert all(math.isfinite(u) and 0.0 <= u <= 1.0 for u in c.point)
            self.space.encode(c.params)  # raises for a value outside of the space
            self.asked[c.id] = c
            self.apply(TrialCreated(0.0, c.id, c.round, c.member, c.point, c.params, None))

    @precondition(lambda self: bool(self.state.running))
    @rule(score=SCORES, which=st.integers(0, 9))
    def end(self, score: float | None, which: int) -> None:
        running = sorted(self.state.running)
        self.end_one(running[which % len(running)], score)

    @precondition(lambda self: bool(self.state.running))
    @rule()
    def fail_all(self) -> None:
        for number in sorted(self.state.running):
            self.end_one(number, None)

    def end_one(self, number: int, score: float | None) -> None:
        trial = self.state.trials[number]
        status = Status.FAILED if score is None else Status.COMPLETED
        self.apply(
            TrialEnded(0.0, number, trial.attempt, status.value, "exit:1", score, 1.0, False)
        )
        assert number not in self.told
        self.told.add(number)
        self.strategy.tell(self.asked[number], score)
        self.can_ask = True

    @precondition(lambda self: bool(self.state.running))
    @rule(which=st.integers(0, 9))
    def lose(self, which: int) -> None:
        running = sorted(self.state.running)
        trial = self.state.trials[running[which % len(running)]]
        self.apply(AttemptLost(0.0, trial.id, trial.attempt, "runner_lost"))

    @invariant()
    def one_trial_a_slot(self) -> None:
        if hasattr(self, "state"):
            slots = [self.state.trials[number].slot for number in self.state.running]
            assert len(slots) == len(set(slots))

    @invariant()
    def best_is_the_highest_finite_score(self) -> None:
        if hasattr(self, "state"):
            scores = [t.score for t in self.state.trials.values() if t.score is not None]
            best = self.state.best
            assert (None if best is None else best.score) == max(scores, default=None)

    def teardown(self) -> None:
        """Whatever happened, the run comes to its end."""
        if not hasattr(self, "state"):
            return
        for step in range(10 * self.most):
            if self.is_finished:
                break
            self.work()
            for number in sorted(self.state.running):
                self.end_one(number, None if step % 2 else 0.5)
        assert self.is_finished
        ended = self.state.counts[Status.COMPLETED] + self.state.counts[Status.FAILED]
        assert ended == (len(self.asked) if self.exhausted else self.most)


TestF60 = Search.TestCase
TestF60.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, derandomize=True, database=None
)


@pytest.mark.parametrize(
    ("strategy", "scores"),
    [
        (name, scores)
        for name in TYPICAL
        for scores in (
            (5e-324, 0.0, 1e-310, -1e-320),
            (1.7e308, -1.7e308, 1e308, 0.5),
            (1e200, -1e200, 1e150, 0.5),
        )
    ],
)
def test_F60_the_smallest_and_the_largest_scores(strategy: str, scores: tuple[float, ...]) -> None:
    made = create_strategy(strategy, space_of("float", "log", "int"), popsize=4, seed=1)
    for _ in range(6):
        for candidate, score in zip(made.ask(4), scores, strict=True):
            assert all(math.isfinite(u) for u in candidate.point)
            made.tell(candidate, score)


# --- many trials --------------------------------------------------------------------------------

SOAK = """#!/bin/sh
note() {
    read -r now rest < /proc/uptime
    printf '{"what": "%s", "trial": %d, "attempt": 1, "pid": %d, "slot": "", "at": %s%s}\\n' \\
        "$1" "$AUTOFINETUNE_TRIAL" $$ "$now" "$2" >> "$FAULT_LEDGER"
}
note start
for word in "$@"; do
    case $word in --saved_params_dir=*) echo weights > "${word#*=}/weights" ;; esac
done
echo '{"final": 0.5}' >> "$AUTOFINETUNE_REPORT_FILE"
note acked ', "score": "0x1p-1"'
"""


@dataclasses.dataclass(frozen=True)
class Usage:
    """What this process holds."""

    rss: int
    descriptors: int
    threads: int
    zombies: frozenset[str]

    @classmethod
    def now(cls) -> Usage:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE"),
            len(list(Path("/proc/self/fd").iterdir())),
            threading.active_count(),
            frozenset(pid for pid in children() if is_zombie(pid)),
        )


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def is_zombie(pid: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


class Probe(Sink):
    """Looks at this process now and then."""

    def __init__(self) -> None:
        self.found: dict[int, Usage] = {}

    def flush(self, state: State) -> None:
        if state.ended % 10 == 0 and state.ended:
            self.found[state.ended] = Usage.now()

    def handle(self, event: Event, state: State) -> None:
        pass


class Constant(Strategy):
    """Asks the initial values again and again: nothing here is about choosing."""

    asked = 0

    def ask(self, n: int) -> list[Candidate]:
        first, self.asked = self.asked, self.asked + n
        point, params = self.space.init_point, self.space.init_params
        return [
            Candidate(i, i // 10, i % 10, tuple(point), params) for i in range(first, first + n)
        ]

    def restore(self, candidate: Candidate) -> None:
        raise NotImplementedError

    def tell(self, candidate: Candidate, score: float | None) -> None:
        pass


def test_F61_hundreds_of_trials_leave_nothing_behind(run: FaultRun) -> None:
    script = run.root / "train.sh"
    script.write_text(SOAK)
    script.chmod(0o755)
    run.popsize, run.rounds = 10, 16
    config = dataclasses.replace(run.config(), script="./train.sh", working_dir=str(run.root))
    run.output_dir.mkdir()
    evaluator = EVALUATORS["populationbased"](config)
    strategy = Constant(config.space, 10, 1)
    places = find_slots("cpu:4", {}, None).places
    probe, before = Probe(), Usage.now().zombies
    sinks = [BestModel(run.paths), Tables(config, run.paths), probe]
    with (
        contextlib.closing(SqliteJournal(run.paths.journal, create=True)) as journal,
        contextlib.closing(LocalExecutor(places, run.environ())) as executor,
        contextlib.closing(SinkGuard(sinks, pytest.fail)) as guard,
    ):
        world = World(Clock())
        tuner = Tuner(config, run.paths, journal, strategy, evaluator, executor, guard, world)
        tuner.start(secrets.token_hex(8))
        tuner.run()
        assert not executor._jobs
    check(run)
    looks = [probe.found[count] for count in sorted(probe.found) if count >= 40]
    assert len(looks) > 5
    assert len({look.threads for look in looks}) == 1
    # One may have just ended on each slot, and the one that was started there after it.
    stayed = [one.zombies & two.zombies for one, two in itertools.pairwise(looks)]
    assert frozenset().union(*stayed) <= before  # those of other tests
    # A running trial takes one descriptor, and there are four slots.
    assert max(look.descriptors for look in looks) - min(look.descriptors for look in looks) <= 4
    assert looks[-1].rss - looks[0].rss < 8 << 20


# --- the dashboard ------------------------------------------------------------------------------


def records(run: FaultRun) -> dict[str, int]:
    """How much was written to each file."""
    import_visualdl()
    from visualdl.reader.record_reader import RecordReader

    root = run.paths.visualization
    return {
        str(path.relative_to(root)): sum(map(len, RecordReader(filepath=str(path)).get_all()))
        for path in root.rglob("*.log")
    }


def test_F62_rebuild_gives_the_same_dashboard(run: FaultRun) -> None:
    assert run.finish() == 0
    before = records(run)
    assert len(before) >= 7
    shutil.rmtree(run.paths.visualization)
    assert run.finish("rebuild", run.out) == 0, run.console
    assert records(run) == before
    for name in before:  # two writers: whatever another one appended is gone again
        with (run.paths.visualization / name).open("ab") as file:
            file.write(b"junk of another writer")
    assert run.finish("rebuild", run.out) == 0, run.console
    assert records(run) == before
    check(run)


def test_F62_a_dashboard_without_space_does_not_disturb_the_run(
    run: FaultRun, mounts: Mounts
) -> None:
    run.plan({"*": {"hold": "go"}})
    life = run.start_fresh(*run.new_words(), before=mounts.inside(run.root))
    wait_until(lambda: len(run.lines("start")) == 2)
    run.paths.visualization.mkdir(exist_ok=True)
    mounts.mount("-t", "tmpfs", "-o", "size=4k", "none", run.paths.visualization)
    run.release()
    assert life.wait(DEADLINE_S) == 0, run.console
    assert "VisualDL" in run.console
    assert run.table() == run.undisturbed()
    assert run.finish("rebuild", run.out) == 0, run.console
    check(run)
    assert len(records(run)) >= 7
