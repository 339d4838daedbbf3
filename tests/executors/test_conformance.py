"""What every registered executor guarantees."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from autofinetune.core.slot import Slot
from autofinetune.executors import Attempt, Executor, JobState, LocalSlot, Observation, Slots
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.executors.local.forks import ForkServer
from autofinetune.executors.memory import MemoryExecutor, Played
from autofinetune.executors.ray import trees
from autofinetune.executors.ray.client import Client
from autofinetune.executors.ray.executor import RayExecutor
from autofinetune.executors.ray.room import Share
from autofinetune.executors.ray.shipment import Shipment
from autofinetune.executors.slurm.executor import SlurmExecutor
from tests.forking import DEADLINE_S, server

# The same small trial for every executor: `report`, `exit` and `wait` are its options.
TRIAL = """
import os, signal, sys, time
options = dict(word[2:].split("=", 1) for word in sys.argv[1:])
for name in ("intermediate", "final"):
    if name in options:
        with open(os.environ["AUTOFINETUNE_REPORT_FILE"], "a") as file:
            file.write('{"%s": %s}\\n' % (name, options[name]))
if "wait" in options:
    signal.pause()
if "until_stop" in options:
    while not os.path.exists(os.environ["AUTOFINETUNE_STOP_FILE"]):
        time.sleep(0.005)
sys.exit(int(options.get("exit", 0)))
"""
FORKED = "local, forked"
QUEUED = "memory, with a queue"
SLURM = "slurm"
RAY = "ray"
_COUNT = itertools.count()


def played(attempt: Attempt) -> Played:
    options = dict(word[2:].split("=", 1) for word in attempt.argv[2:])
    return Played(
        final=float(options["final"]) if "final" in options else None,
        seconds=1e9 if {"wait", "until_stop"} & options.keys() else 1.0,
        returncode=int(options.get("exit", 0)),
        intermediate=(float(options["intermediate"]),) if "intermediate" in options else (),
        stop_seconds=None if "wait" in options else 0.0,
    )


class Bench:
    """An executor with everything it needs to run the small trial."""

    def __init__(
        self,
        name: str,
        root: Path,
        variables: Mapping[str, str] | None = None,
        client: Client | None = None,
    ) -> None:
        self.name = name
        self.variables = variables or {}
        self.client = client
        self.root = root
        # A cluster may still know the attempts of another test under their names.
        self.run = f"test-{os.getpid()}-{next(_COUNT)}"
        self.script = root / "trial.py"
        self.script.write_text(TRIAL)
        self.forks: ForkServer | None = None
        self.stack = ExitStack()
        self.executor = self.make()

    def make(self) -> Executor:
        if self.name == "memory":
            return MemoryExecutor(["a", "b"], played)
        if self.name == QUEUED:
            return MemoryExecutor(["a", "b"], played, queue_s=3.0)
        slots = [LocalSlot(Slot("a"), {"CUDA_VISIBLE_DEVICES": "0"}), LocalSlot(Slot("b"), {})]
        environ = {"PATH": "/usr/bin:/bin", **self.variables}
        if self.name == SLURM:
            return SlurmExecutor(Slots(tuple(slots)), [], environ, probes=False)
        if self.name == RAY:
            return self.make_ray()
        if self.name == FORKED:
            self.forks = self.stack.enter_context(self.make_forks(environ))
        else:
            assert self.name == "local"
        return LocalExecutor(slots, environ, forks=self.forks)

    def make_ray(self) -> Executor:
        assert self.client is not None
        code, files, _ = trees.code_of(self.root)
        package, more = trees.package()
        shipment = Shipment(
            str(self.root), sys.executable, 1, {"num_cpus": 1},
            trees={"code": code, "package": package}, files={**files, **more},
        )  # fmt: skip
        nodes = self.client.ask("nodes", {})[0]["nodes"]
        return RayExecutor(self.client, shipment, Share({"CPU": 1}), most=lambda: 2, nodes=nodes)

    def make_forks(self, environ: dict[str, str]) -> AbstractContextManager[ForkServer]:
        return server(self.root, environ=environ, script=str(self.script))

    def close(self) -> None:
        self.executor.close()
        assert self.forks is None or self.forks.is_ready()  # it is still waiting
        self.stack.close()

    def attempt(self, trial: int, *words: str, number: int = 1, slot: str = "a") -> Attempt:
        return Attempt(
            run=self.run,
            trial=trial,
            attempt=number,
            slot=Slot.read(slot),
            argv=(sys.executable, str(self.script), *words),
            env={},
            working_dir=str(self.root),
            directory=str(self.root / "out" / "trials" / str(trial) / str(number)),
            log=str(self.root / "out" / f"log-{trial}"),
            grace_s=5.0,
        )

    def until_over(self, count: int) -> dict[tuple[int, int], list[Observation]]:
        """Return all observations by key until `count` attempts have finished."""
        found: dict[tuple[int, int], list[Observation]] = {}
        over = 0
        end = time.monotonic() + DEADLINE_S
        while over < count:
            assert time.monotonic() < end, f"only {over} of {count} ended: {found}"
            for news in self.executor.poll(1.0):
                found.setdefault(news.key, []).append(news)
                over += news.state in (JobState.EXITED, JobState.LOST)
        return found


@pytest.fixture(
    params=[
        "local",
        "memory",
        QUEUED,
        FORKED,
        pytest.param(SLURM, marks=pytest.mark.cluster),
        pytest.param(RAY, marks=[pytest.mark.cluster, pytest.mark.xdist_group("ray")]),
    ]
)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    variables = request.getfixturevalue(SLURM).env if request.param == SLURM else None
    client = request.getfixturevalue("ray_client") if request.param == RAY else None
    made = Bench(request.param, tmp_path, variables, client)
    yield made
    made.close()


def test_slots_are_named_and_distinct(bench: Bench) -> None:
    names = ["ray.1", "ray.2"] if bench.name == RAY else ["a", "b"]
    assert list(bench.executor.slots()) == names


def test_an_attempt_is_observed_with_its_reports_and_its_exit(bench: Bench) -> None:
    bench.executor.submit(bench.attempt(7, "--intermediate=0.25", "--final=0.5"))
    news = bench.until_over(1)[7, 1]
    reports = [report for one in news for report in one.reports]
    assert [(r.kind, r.score) for r in reports] == [("intermediate", 0.25), ("final", 0.5)]
    assert [r.offset for r in reports] == sorted({r.offset for r in reports})
    record = news[-1].exit
    assert record is not None
    assert (record.why, record.returncode) == ("exit", 0)
    assert record.seconds > 0


def test_an_attempt_that_may_wait_is_seen_to_start(bench: Bench) -> None:
    bench.executor.submit(bench.attempt(7, "--intermediate=0.25", "--final=0.5"))
    news = bench.until_over(1)[7, 1]
    is_first = (news[0].state, len(news[0].reports)) == (JobState.RUNNING, 0)
    assert is_first or not bench.executor.has_queue
    assert news[-1].exit is not None
    assert news[-1].exit.seconds < DEADLINE_S


def test_a_failing_command_has_its_exit_code(bench: Bench) -> None:
    bench.executor.submit(bench.attempt(0, "--exit=3"))
    record = bench.until_over(1)[0, 1][-1].exit
    assert record is not None
    assert record.returncode == 3


def test_what_is_over_is_forgotten(bench: Bench) -> None:
    bench.executor.submit(bench.attempt(0))
    bench.until_over(1)
    assert bench.executor.poll(0.0) == []


def test_submitting_twice_is_submitting_once(bench: Bench) -> None:
    first = bench.executor.submit(bench.attempt(0, "--final=1"))
    second = bench.executor.submit(bench.attempt(0, "--final=1"))
    assert set(first) == set(second)
    found = bench.until_over(1)
    assert list(found) == [(0, 1)]
    assert bench.executor.poll(0.0) == []


def test_several_attempts_run_side_by_side(bench: Bench) -> None:
    for trial, slot in ((0, "a"), (1, "b")):
        bench.executor.submit(bench.attempt(trial, f"--final={trial}", slot=slot))
    found = bench.until_over(2)
    scores = {key: [r.score for one in news for r in one.reports] for key, news in found.items()}
    assert scores == {(0, 1): [0.0], (1, 1): [1.0]}


def test_a_cancelled_attempt_ends_as_cancelled(bench: Bench) -> None:
    bench.executor.submit(bench.attempt(0, "--wait=1"))
    bench.executor.cancel((0, 1))
    record = bench.until_over(1)[0, 1][-1].exit
    assert record is not None
    assert record.why == "cancel"


def test_cancelling_what_is_not_there_does_nothing(bench: Bench) -> None:
    bench.executor.cancel((5, 1))


def test_an_attempt_that_looks_ends_when_it_should_stop(bench: Bench) -> None:
    bench.executor.submit(bench.attempt(0, "--until_stop=1", "--exit=7"))
    bench.executor.request_stop((0, 1))
    bench.executor.request_stop((0, 1))
    record = bench.until_over(1)[0, 1][-1].exit
    assert record is not None
    assert (record.why, record.returncode) == ("exit", 7)


def test_an_attempt_that_does_not_look_can_still_be_cancelled(bench: Bench) -> None:
    bench.executor.submit(bench.attempt(0, "--wait=1"))
    bench.executor.request_stop((0, 1))
    assert bench.executor.poll(0.01) == []
    bench.executor.cancel((0, 1))
    record = bench.until_over(1)[0, 1][-1].exit
    assert record is not None
    assert record.why == "cancel"


def test_asking_what_is_not_there_to_stop_does_nothing(bench: Bench) -> None:
    bench.executor.request_stop((5, 1))


def test_wake_ends_a_poll(bench: Bench) -> None:
    bench.executor.submit(bench.attempt(0, "--wait=1"))
    bench.executor.wake()
    assert bench.executor.poll(DEADLINE_S) == []
    bench.executor.cancel((0, 1))
    bench.until_over(1)


def test_handles_are_plain_json(bench: Bench) -> None:
    import json

    handle = bench.executor.submit(bench.attempt(0))
    assert json.loads(json.dumps(handle)) == handle
    bench.until_over(1)
