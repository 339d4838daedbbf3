"""Runs each attempt as a job of Slurm; a resumed tuner finds the jobs of a killed one."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from autofinetune.core.slot import Slot
from autofinetune.errors import EnvironmentProblem, Mistake, UsageError
from autofinetune.executors.base import (
    Attempt,
    Executor,
    Handle,
    JobState,
    Key,
    Observation,
)
from autofinetune.executors.devices.slots import Slots
from autofinetune.executors.files.hand_over import hand_over, spec_of
from autofinetune.executors.files.records import read_exit
from autofinetune.executors.slurm import commands
from autofinetune.executors.slurm.batch import SCRIPT, job_name, script
from autofinetune.executors.slurm.desk import Desk
from autofinetune.executors.slurm.job import FENCE_S, PROBE, SlurmJob
from autofinetune.executors.slurm.shared import probe_of, problem_of, settle_s
from autofinetune.runner.files import SPEC, STARTED, write_atomically
from autofinetune.runner.processes import identity
from autofinetune.store.copying import remove_tree
from autofinetune.store.directory import Place
from autofinetune.store.directory import write_atomically as write_text

_LOOK_S = 0.5  # interval at which the files of running attempts are read
_LAST_S = 60.0  # before its own time limit, the tuner ends
_KILL_S = 10.0
_NEEDED = ("PYTHONPATH", "PYTHONUNBUFFERED")  # even if a job does not get our environment


class SlurmExecutor(Executor):
    """Attempts as jobs, at most one for each slot, waiting ones included.

    Args:
        options: words for sbatch.
        environ: the environment of every job; Slurm and the attempt override it.
        notice: called with sentences for the user.
        probes: whether the first job only checks that the nodes can run trials.
    """

    can_change_slots = True
    has_queue = True

    def __init__(
        self,
        slots: Slots,
        options: Sequence[str],
        environ: Mapping[str, str],
        *,
        notice: Callable[[str], None] = lambda sentence: None,
        probes: bool = True,
    ) -> None:
        self._slots = slots
        self._identity = identity(os.getpid())
        self._notice = notice
        self._jobs: dict[Key, SlurmJob] = {}
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._environ = commands.environment(environ)
        own_job = environ.get("SLURM_JOB_ID", "")
        own_job = own_job if commands.JOB_ID.fullmatch(own_job) else ""
        self._desk = Desk(self._jobs, options, self._environ, self.wake, own_job)
        self._desk.is_open = not probes
        self._names: set[str] = set()

    def slots(self) -> Sequence[Slot]:
        return [place.name for place in self._slots.places]

    def change_slots(self, slots: Slots) -> None:
        self._slots = slots

    def obstacle(self, slot: Slot) -> str:
        running = sum(key != PROBE for key in self._jobs)
        is_full = running >= len(self._slots.places)
        return f"{running} jobs are still in flight" if is_full else ""

    def submit(self, attempt: Attempt) -> Handle:
        job = self._jobs.get(attempt.key)
        if job is None:
            if not self._desk.is_open and PROBE not in self._jobs and attempt.key != PROBE:
                self._begin_probe(attempt)
            job = self._made(attempt)
            self._name(job.name)
            self._jobs[attempt.key] = job
            self._desk.look()
        return {"name": job.name, "directory": attempt.directory}

    def _made(self, attempt: Attempt) -> SlurmJob:
        """Return the job of an attempt, with its files written unless they were before."""
        place = attempt.own_place
        with place.opened(create=True, mode=0o700) as here:
            late_s = settle_s(here)
            job = SlurmJob(
                attempt.key, place, attempt.directory, job_name(attempt), attempt.grace_s, late_s
            )
            if not job.recall(here):
                self._prepare(attempt, here)
                job.write(here)
            elif (here / STARTED).exists():
                self._desk.is_open = True  # a node has written there
        return job

    def _prepare(self, attempt: Attempt, here: Path) -> None:
        ranks = next((place.ranks for place in self._slots.places), 1)
        env = {name: self._environ[name] for name in _NEEDED if name in self._environ}
        spec = spec_of(
            attempt,
            ranks=1 if attempt.key == PROBE else ranks,
            env={**env, **hand_over(attempt, here)},
            fence_s=FENCE_S,
            spans_nodes=True,
            tuner=self._identity,
        )
        write_atomically(str(here / SPEC), spec, durable=False)
        write_text(here / SCRIPT, script(attempt).encode(), 0o700)

    def _name(self, name: str) -> None:
        if name not in self._names:
            self._names.add(name)
            self._notice(
                f"its jobs are listed by: squeue -n {name}, and all ended by: scancel -n {name}"
            )

    # --- the first job --------------------------------------------------------------------------

    def _begin_probe(self, attempt: Attempt) -> None:
        self._jobs[PROBE] = self._made(probe_of(attempt))

    def _look_at_probe(self) -> None:
        probe = self._jobs.get(PROBE)
        if probe is None:
            return
        if self._desk.refusal:
            mistake = Mistake("sbatch", f": sbatch refuses a job: {self._desk.refusal}")
            raise UsageError(mistake, "change --sbatch, and start the run again")
        with probe.opened() as here:
            probe.look_for_start(here)
            record = probe.end(here, read_exit(here), self._desk.listing)
            if record is None:
                return
            if (record.why, record.returncode) != ("exit", 0):
                raise problem_of(here, probe.directory, probe.node, record)
        del self._jobs[PROBE]
        self._remove(probe)
        self._desk.is_open = True
        self._desk.look()

    def _remove(self, probe: SlurmJob) -> None:
        *above, name, _ = probe.place.way.split("/")
        with contextlib.suppress(OSError), Place(probe.place.root, "/".join(above)).opened() as to:
            remove_tree(to / name)

    # --- observing ------------------------------------------------------------------------------

    def poll(self, wait_s: float) -> list[Observation]:
        self._wait(wait_s)
        while self._desk.said:
            self._notice(self._desk.said.popleft())
        if self._desk.failure is not None:
            raise self._desk.failure
        if time.monotonic() > self._desk.ends_at - _LAST_S:
            raise EnvironmentProblem(
                "the job in which the tuner runs reaches its time limit; running trials continue",
                "resume the run in another job; autofinetune resume finds its trials",
            )
        self._look_at_probe()
        return [news for job in list(self._jobs.values()) for news in self._look(job)]

    def _wait(self, wait_s: float) -> None:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        wait_s = min(wait_s, _LOOK_S) if self._jobs else wait_s
        if poller.poll(max(0.0, wait_s) * 1000):
            os.eventfd_read(self._wake)

    def _look(self, job: SlurmJob) -> Iterator[Observation]:
        if job.key == PROBE:
            return
        with job.opened() as here:
            if job.look_for_start(here):
                self.wake()  # it may have ended already
                yield Observation(job.key, JobState.RUNNING, node=job.node)
                return
            job.ask_again_if_late()
            # The exit record is written after the last report, so it must be read first.
            record = read_exit(here)
            reports = job.new_reports(here, to_the_end=record is not None)
            job.has_result |= any(report.kind == "final" for report in reports)
            record = job.end(here, record, self._desk.listing)
            if record is not None:
                reports += job.new_reports(here, to_the_end=True)
        if record is None:
            if job.needs_word:
                self._desk.look()
            if reports:
                yield Observation(job.key, JobState.RUNNING, tuple(reports))
            return
        del self._jobs[job.key]
        yield Observation(job.key, JobState.EXITED, tuple(reports), record)

    def wake(self) -> None:
        os.eventfd_write(self._wake, 1)

    def request_stop(self, key: Key) -> None:
        if key in self._jobs:
            self._jobs[key].ask_to_stop()

    def cancel(self, key: Key) -> None:
        if key in self._jobs:
            self._jobs[key].ask()
            self._desk.look()

    def kill_all(self) -> None:
        """Have Slurm end all jobs of the run; may be called by another thread."""
        names = sorted({job.name for job in list(self._jobs.values())})
        for name in names:
            with contextlib.suppress(commands.Unreachable):
                commands.cancel([f"--name={name}"], self._environ, _KILL_S)

    def close(self) -> None:
        """Leave the jobs to Slurm, except one that only checks the nodes."""
        is_stopped = self._desk.close()
        probe = self._jobs.get(PROBE)
        if probe is not None and probe.id:
            with contextlib.suppress(commands.Unreachable):
                commands.cancel([f"--name={probe.name}", probe.id], self._environ, _KILL_S)
                self._remove(probe)
        self._jobs.clear()
        if is_stopped:  # else its thread may still write there
            os.close(self._wake)
