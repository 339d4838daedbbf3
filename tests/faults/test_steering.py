"""A tuner and the commands that steer it are killed at any moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autofinetune.core.events import ConfigurationsEnqueued, OptionsChanged, RunPaused
from tests.faults.harness import DEADLINE_S, FaultRun, is_stopped, wait_until
from tests.faults.oracle import check_invariants
from tests.nursery import Nursery


@pytest.fixture
def run(tmp_path: Path, nursery: Nursery) -> Iterator[FaultRun]:
    made = FaultRun(tmp_path / "run", nursery, evaluator="fulltrail")
    made.plan({"*": {"hold": "go"}})
    yield made
    made.close()


def count(run: FaultRun, kind: type[Any]) -> int:
    return sum(isinstance(event, kind) for event in run.events())


def requests(run: FaultRun) -> list[Path]:
    return list(run.paths.control.glob("*.request.json"))


@pytest.fixture
def deaf(run: FaultRun) -> Callable[..., Any]:
    """Give a command to a tuner that is stopped, and return both once the request is there."""

    def give(*words: str) -> Any:
        tuner = run.start()
        wait_until(lambda: len(run.lines("start")) == 2 and run.paths.control.is_dir())
        tuner.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_stopped(tuner.pid))
        command = run.start(*words)
        wait_until(lambda: requests(run))
        return tuner, command

    return give


ENQUEUE = ("enqueue", "result", "lr=0.03", "units=33")


def finish(run: FaultRun) -> None:
    run.release()
    code = run.finish_by_resuming()
    assert code == 0, run.console
    assert check_invariants(run.output_dir, run.ledger, code=code) == []


def times_tried(run: FaultRun) -> int:
    params = [trial.params for trial in run.state().trials.values()]
    return params.count({"lr": 0.03, "units": 33})


def test_a_command_does_what_a_killed_tuner_did_not(
    run: FaultRun, deaf: Callable[..., Any]
) -> None:
    tuner, command = deaf(*ENQUEUE)
    run.kill(tuner)
    assert command.wait(DEADLINE_S) == 0
    assert count(run, ConfigurationsEnqueued) == 1
    finish(run)
    assert times_tried(run) == 1
    assert list(run.paths.control.iterdir()) == []


def test_a_request_of_a_killed_command_is_applied_once(
    run: FaultRun, deaf: Callable[..., Any]
) -> None:
    tuner, command = deaf(*ENQUEUE)
    run.kill(command)
    assert len(requests(run)) == 1
    tuner.send_signal(signal.SIGCONT)
    wait_until(lambda: count(run, ConfigurationsEnqueued) == 1)
    run.kill(tuner)
    finish(run)
    assert count(run, ConfigurationsEnqueued) == times_tried(run) == 1


def test_after_both_were_killed_the_next_tuner_applies_it(
    run: FaultRun, deaf: Callable[..., Any]
) -> None:
    tuner, command = deaf(*ENQUEUE)
    run.kill(command)
    run.kill(tuner)
    finish(run)
    assert count(run, ConfigurationsEnqueued) == times_tried(run) == 1
    assert requests(run) == []


def test_a_pause_for_a_killed_tuner_does_not_pause_the_next_one(
    run: FaultRun, deaf: Callable[..., Any]
) -> None:
    tuner, command = deaf("pause", "result")
    run.kill(command)
    run.kill(tuner)
    finish(run)
    assert count(run, RunPaused) == 0


@pytest.mark.parametrize("nth", range(1, 4))
def test_a_tuner_killed_among_many_requests_loses_and_doubles_none(
    run: FaultRun, nth: int
) -> None:
    tuner = run.start()
    wait_until(lambda: len(run.lines("start")) == 2 and run.paths.control.is_dir())
    commands = [run.start("set", "result", f"round={rounds}") for rounds in (3, 4, 5)]
    wait_until(lambda: count(run, OptionsChanged) >= nth)
    os.kill(tuner.pid, signal.SIGKILL)
    tuner.wait(DEADLINE_S)
    assert [command.wait(DEADLINE_S) for command in commands] == [0, 0, 0]
    changes = [event for event in run.events() if isinstance(event, OptionsChanged)]
    assert sorted(event.options["round"] for event in changes) == [3, 4, 5]
    assert len({event.request for event in changes}) == 3
    run.rounds = changes[-1].options["round"]
    finish(run)
    assert len(run.table()) == run.popsize * run.rounds
