"""What is told to Slurm, whose commands are stand-ins that answer badly."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from autofinetune.core.slot import Slot
from autofinetune.errors import UsageError
from autofinetune.executors import Attempt, JobState, LocalSlot, Observation, Slots
from autofinetune.executors.slurm import desk
from autofinetune.executors.slurm.batch import job_name
from autofinetune.executors.slurm.executor import SlurmExecutor
from tests.forking import DEADLINE_S, attempt_of

Answers = Callable[..., Path]


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Makes the commands by name from lines of shell; returns the file of all calls."""
    calls = tmp_path / "calls"

    def make(**commands: str) -> Path:
        for name in ("sbatch", "squeue", "scancel"):
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\necho {name} $* >> {calls}\n{commands.get(name, '')}\n")
            program.chmod(0o755)
        return calls

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return make


@contextlib.contextmanager
def opened(said: list[str], *, probes: bool = False) -> Iterator[SlurmExecutor]:
    slots = Slots((LocalSlot(Slot("slurm", 1)),))
    executor = SlurmExecutor(
        slots, [], {"PATH": os.environ["PATH"]}, notice=said.append, probes=probes
    )
    with contextlib.closing(executor):
        yield executor


def until(executor: SlurmExecutor, is_so: Callable[[Sequence[Observation]], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    found: list[Observation] = []
    while not is_so(found):
        assert time.monotonic() < end, found
        found += executor.poll(0.1)


def attempt_in(tmp_path: Path) -> Attempt:
    return attempt_of(tmp_path / "out" / "trials" / "7")


def test_what_may_have_been_accepted_is_not_submitted_again(
    tmp_path: Path, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "_RETRY_S", 0.01)
    attempt = attempt_in(tmp_path)
    row = f"7|CANCELLED||{job_name(attempt)}|{attempt.directory}/job.sh"
    calls = answers(
        sbatch="echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1",
        squeue=f"echo '{row}'",
    )
    said: list[str] = []
    with opened(said) as executor:
        executor.submit(attempt)
        until(executor, lambda found: any(one.state is JobState.EXITED for one in found))
    assert calls.read_text().count("sbatch") == 1
    assert sum("Slurm does not answer (sbatch: error: Socket" in one for one in said) == 1
    assert said[-1] == "Slurm answers again"


def test_a_refusal_of_the_first_job_ends_the_run(tmp_path: Path, answers: Answers) -> None:
    answers(sbatch="echo 'sbatch: error: no such account' >&2; exit 1")
    with opened([], probes=True) as executor:
        executor.submit(attempt_in(tmp_path))
        with pytest.raises(UsageError, match="sbatch refuses a job: no such account"):
            until(executor, lambda found: False)


def test_a_later_refusal_is_waited_for(tmp_path: Path, answers: Answers) -> None:
    answers(sbatch="echo 'sbatch: error: too many jobs' >&2; exit 1")
    said: list[str] = []
    with opened(said) as executor:
        executor.submit(attempt_in(tmp_path))
        until(
            executor, lambda found: "sbatch refuses a job (too many jobs); the run waits" in said
        )
        executor.cancel(attempt_in(tmp_path).key)
        until(executor, lambda found: any(one.exit and one.exit.why == "cancel" for one in found))


def test_an_error_on_the_thread_ends_the_run(
    tmp_path: Path, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers()
    monkeypatch.setattr("autofinetune.executors.slurm.desk.sbatch_options", None)
    with opened([]) as executor:
        executor.submit(attempt_in(tmp_path))
        with pytest.raises(TypeError):
            until(executor, lambda found: False)


def test_all_jobs_of_a_run_are_killed_by_name(tmp_path: Path, answers: Answers) -> None:
    attempt = attempt_in(tmp_path)
    calls = answers(sbatch="echo 12")
    with opened([]) as executor:
        executor.submit(attempt)
        executor.kill_all()
    assert f"scancel --name={job_name(attempt)}" in calls.read_text()


def test_at_most_as_many_jobs_as_slots_are_in_flight(tmp_path: Path, answers: Answers) -> None:
    answers(sbatch="echo 12")
    slot = Slot("slurm", 1)
    with opened([]) as executor:
        assert executor.obstacle(slot) == ""
        executor.submit(attempt_in(tmp_path))
        assert executor.obstacle(slot) == "1 jobs are still in flight"
        executor.change_slots(Slots(tuple(LocalSlot(Slot("slurm", n)) for n in (1, 2))))
        assert executor.obstacle(slot) == ""
