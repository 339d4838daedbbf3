"""Talks to Slurm on a thread of its own, because each command may take many seconds."""

from __future__ import annotations

import collections
import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from autofinetune.executors.base import Key
from autofinetune.executors.slurm import commands
from autofinetune.executors.slurm.batch import SCRIPT, sbatch_options
from autofinetune.executors.slurm.commands import Listing, Refused, Unreachable
from autofinetune.executors.slurm.job import PROBE, SlurmJob

LOOK_S = 10.0  # interval of `squeue`; the files of a trial tell nearly everything earlier
SOON_S = 1.0  # the shortest interval, while an end waits for Slurm's word
_RETRY_S = 5.0
_CLOSE_S = 2.0
_REFUSED_S = 30.0
_LIMIT_S = 60.0  # interval at which the tuner's own time limit is read


class Desk:
    """Submits, lists and cancels the `jobs`, which the executor adds and removes meanwhile.

    Args:
        options: those of the user for sbatch.
        wake: called after anything has changed.
        own_job: the id of the job in which this tuner runs; empty outside of jobs.

    Attributes:
        listing: what Slurm said last.
        is_open: whether jobs other than the probe may be submitted.
        refusal: why sbatch refused the probe.
        failure: the error with which the thread has ended.
        ends_at: when the tuner's own job reaches its time limit, in monotonic seconds.
        said: sentences for the user.
    """

    def __init__(
        self,
        jobs: Mapping[Key, SlurmJob],
        options: Sequence[str],
        environ: Mapping[str, str],
        wake: Callable[[], None],
        own_job: str = "",
    ) -> None:
        self.listing = Listing()
        self.is_open = False
        self.refusal = ""
        self.failure: Exception | None = None
        self.ends_at = math.inf
        self.said: collections.deque[str] = collections.deque()
        self._jobs = jobs
        self._options = list(options)
        self._environ = environ
        self._wake = wake
        self._own_job = own_job
        self._limit_due = 0.0 if own_job else math.inf
        self._list_due = 0.0
        self._refused_until = 0.0
        self._troubles: set[str] = set()
        self._is_closed = False
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._work, name="slurm", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Have what changed done soon."""
        self._news.set()

    def close(self) -> bool:
        """Stop, and return whether that is done; a command that runs is not waited for long."""
        self._is_closed = True
        self._news.set()
        self._thread.join(_CLOSE_S)
        return not self._thread.is_alive()

    def _work(self) -> None:
        pause_s = 0.0
        while not self._is_closed:
            self._news.clear()
            try:
                self._do_due()
                self._end_trouble("down", "Slurm answers again")
                pause_s = self._pause()
            except Unreachable as error:
                why = f"Slurm does not answer ({error}); the run waits, running trials continue"
                self._begin_trouble("down", why)
                pause_s = _RETRY_S
            except Exception as error:
                self.failure, self._is_closed = error, True
            self._wake()
            if not self._is_closed:
                self._news.wait(pause_s)

    def _pause(self) -> float:
        """Return for how long nothing is due, unless there is news."""
        if any(job.needs_word for job in list(self._jobs.values())):
            return SOON_S
        due = min(self._list_due if self._jobs else math.inf, self._limit_due)
        return max(SOON_S, min(due - time.monotonic(), LOOK_S))

    def _begin_trouble(self, kind: str, sentence: str) -> None:
        if kind not in self._troubles:
            self._troubles.add(kind)
            self.said.append(sentence)

    def _end_trouble(self, kind: str, sentence: str) -> None:
        if kind in self._troubles:
            self._troubles.discard(kind)
            self.said.append(sentence)

    def _do_due(self) -> None:
        if time.monotonic() >= self._limit_due:
            left = commands.seconds_left(self._own_job, self._environ)
            self.ends_at = time.monotonic() + left
            self._limit_due = time.monotonic() + min(_LIMIT_S, max(1.0, left / 4))
        jobs = list(self._jobs.values())
        for job in jobs:
            if not job.id and not self._is_closed:
                self._find_or_submit(job)
        for job in jobs:
            if job.asked > job.told:
                self._cancel(job)
        if jobs and self._is_listing_due(jobs):
            self._list(jobs)

    def _is_listing_due(self, jobs: Sequence[SlurmJob]) -> bool:
        now = time.monotonic()
        is_urgent = any(job.needs_word or job.asked for job in jobs)
        return now >= self._list_due or (is_urgent and now >= self.listing.at + SOON_S)

    def _list(self, jobs: Sequence[SlurmJob]) -> None:
        self.listing = commands.jobs({job.name for job in jobs}, self._environ)
        self._list_due = time.monotonic() + LOOK_S

    def _find_or_submit(self, job: SlurmJob) -> None:
        if job.is_doubtful:
            self._list([*self._jobs.values()])
            mine = [row for row in self.listing.rows.values() if job.is_mine(row)]
            job.is_doubtful = False
            if mine:
                self._note(job, mine[-1].id)
                job.submitted_at = self.listing.at  # which has it
                return
        may_be = self.is_open or job.key == PROBE
        if may_be and time.monotonic() >= self._refused_until:
            job.is_in_hand = True
            try:
                if not job.asked:
                    self._submit(job)
            except Unreachable:
                job.is_doubtful = True  # it may have been accepted all the same
                raise
            finally:
                job.is_in_hand = False

    def _submit(self, job: SlurmJob) -> None:
        options = sbatch_options(self._options, job.name, job.directory)
        try:
            found = commands.submit(options, f"{job.directory}/{SCRIPT}", self._environ)
        except Refused as error:
            self._refused_until = time.monotonic() + _REFUSED_S
            if job.key == PROBE:
                self.refusal = str(error)
            self._begin_trouble("refused", f"sbatch refuses a job ({error}); the run waits")
            return
        self._end_trouble("refused", "sbatch accepts jobs again")
        self._note(job, found)

    def _note(self, job: SlurmJob, found: str) -> None:
        job.was_submitted(found)
        with contextlib.suppress(OSError), job.opened() as here:  # else it is found by its name
            job.write(here)

    def _cancel(self, job: SlurmJob) -> None:
        """Ask the runner, which then ends its trial, or have Slurm end a job without one."""
        asked = job.asked
        if job.id:
            only = [f"--name={job.name}", job.id]
            is_gentle = asked == 1 and job.is_started
            commands.cancel([*(["--batch", "--signal=INT"] if is_gentle else []), *only],
                            self._environ)  # fmt: skip
        job.told = asked
