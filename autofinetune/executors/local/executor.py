"""Runs attempts on this machine, one runner process each; they survive a killed tuner."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.core.slot import Slot
from autofinetune.executors.base import (
    Attempt,
    Executor,
    Handle,
    JobState,
    Key,
    Observation,
    Process,
    Report,
)
from autofinetune.executors.devices.card_memory import CardMemory
from autofinetune.executors.devices.cards import Card
from autofinetune.executors.devices.lease import Leases
from autofinetune.executors.devices.slots import LocalSlot
from autofinetune.executors.files.hand_over import hand_over, with_layer
from autofinetune.executors.files.records import read_exit, read_identity, read_json
from autofinetune.executors.files.reports import MOST_REPORTS, NO_ROOM, read_reports
from autofinetune.executors.local.forks import ForkServer
from autofinetune.executors.local.patience import Patience
from autofinetune.executors.local.start import start_runner
from autofinetune.runner.cgroup import Cgroup, planned_cgroup, recorded_cgroup
from autofinetune.runner.files import (
    EXIT,
    LOCK,
    REPORTS,
    SPEC,
    STARTED,
    STOP,
    try_lock,
    write_atomically,
)
from autofinetune.runner.processes import (
    MARK_VARIABLE,
    Remains,
    has_mark,
    holders,
    identity,
    is_alive,
    marked,
    name_of,
    send_to,
)
from autofinetune.store.directory import Place, appended

_RECHECK_S = 0.05  # where no runner can be watched: it is gone, or its processes still exit
_EMPTY_SWEEPS = 2
_HELD_PATIENCE_S = 10.0  # for a lock held by a process that does not belong to the trial
_NOWHERE = Path("/proc/self/nowhere")  # a path at which nothing can be created
_MEMORY_PATIENCE_S = 5.0
_MEMORY_SAMPLES_S = 1.0  # interval between samples of cards that several trials share


@dataclass
class _Job:
    """A submitted attempt; `pidfd` watches its runner, and is None once that is gone.

    The runner is our child `process`, or the fork identified by `who`, or the process in
    `started.json`.
    """

    key: Key
    place: Place
    mark: str
    slot: Slot
    cards: tuple[str, ...]
    patience: Patience
    who: dict[str, Any] | None = None
    report_offset: int = 0
    reports: int = 0  # intermediate ones so far
    process: subprocess.Popen[bytes] | None = None
    pidfd: int | None = None
    pid: int | None = None
    empty_sweeps: int = 0
    held_since: float | None = None  # since when a process of others holds its lock
    is_holder_named: bool = False
    memory_deadline: float | None = None

    def __post_init__(self) -> None:
        self.remains = Remains(self.mark)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Path]:
        """Open its directory; yield an empty one if the script removed or replaced it."""
        with contextlib.ExitStack() as stack:
            try:
                here = stack.enter_context(self.place.opened())
            except OSError as error:
                if error.errno in NO_ROOM:
                    raise
                here = _NOWHERE
            yield here


class LocalExecutor(Executor):
    """Attempts as process trees on this machine.

    Args:
        slots: the places for one trial each.
        environ: the environment of every trial; its slot and the attempt override it.
        trials_outlive_us: whether trials continue when this process dies, or are terminated.
        look_at_cards: returns the current state of the cards by UUID; empty where it is unknown.
            The slots of a card can be used only once the memory of its last trial is freed.
        min_free_gpu_gb: GiB that must be free on a card before a trial starts there.
        lease_dir: where runs that share the cards of a machine take turns; empty for none.
        forks: starts runners faster where it can; the caller closes it.
        notice: called with messages for the user.

    Raises:
        EnvironmentProblem: the directory of leases cannot be created.
    """

    def __init__(
        self,
        slots: Sequence[LocalSlot],
        environ: Mapping[str, str],
        *,
        trials_outlive_us: bool = True,
        look_at_cards: Callable[[], Mapping[str, Card]] = dict,
        min_free_gpu_gb: float = 0.0,
        lease_dir: str = "",
        forks: ForkServer | None = None,
        notice: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._slots = {slot.name: slot for slot in slots}
        self._identity = identity(os.getpid())
        self._environ = dict(environ)
        self._jobs: dict[Key, _Job] = {}
        cards = [card for slot in slots for card in slot.cards]
        self._are_cards_shared = len(set(cards)) < len(cards)
        self._next_sample = 0.0
        self._memory = CardMemory(look_at_cards, self._jobs, min_free_gpu_gb * 2**30)
        self._leases = Leases(lease_dir)
        self._forks = forks
        self._notice = notice
        # Every runner gets the reading end; the writing end closes however this process ends.
        self._lifeline = None if trials_outlive_us else os.pipe2(os.O_CLOEXEC)
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def slots(self) -> Sequence[Slot]:
        return list(self._slots)

    def obstacle(self, slot: Slot) -> str:
        """Return why not: a card is leased, lacks memory, or is still in use."""
        place = self._slots[slot]
        return (
            self._earlier_trial(slot)
            or self._leases.take(place.devices)
            or self._memory.lack(place.cards)
        )

    def _earlier_trial(self, slot: Slot) -> str:
        """Compare slots by name: a resumed run may divide the same devices differently."""
        for job in self._jobs.values():
            if job.slot not in self._slots and slot.touches(job.slot):
                return f"trial {job.key[0]} from before `resume` is still running on {job.slot}"
        return ""

    def submit(self, attempt: Attempt) -> Handle:
        job = self._jobs.get(attempt.key)
        if job is None:
            mark = f"{attempt.run}/{attempt.trial}/{attempt.attempt}"
            slot = self._slots.get(attempt.slot)
            cards = slot.cards if slot else ()
            patience = Patience(attempt.time_limit_s, attempt.grace_s)
            job = _Job(attempt.key, attempt.own_place, mark, attempt.slot, cards, patience)
            with job.place.opened(create=True, mode=0o700) as here:
                if (here / STARTED).exists():
                    self._attach(job, here)
                elif slot is not None:
                    self._start(job, slot, attempt, here)
                # else the slot was of the run before `resume`: this attempt counts as lost
            self._jobs[attempt.key] = job
        return {"pid": job.pid, "directory": attempt.directory}

    def _start(self, job: _Job, slot: LocalSlot, attempt: Attempt, here: Path) -> None:
        spec = {
            "run": attempt.run,
            "trial": attempt.trial,
            "attempt": attempt.attempt,
            "argv": list(attempt.argv),
            "cwd": attempt.working_dir,
            "log": attempt.log,
            "grace_s": attempt.grace_s,
            "time_limit_s": attempt.time_limit_s,
            "ranks": slot.ranks,
            "cpus": slot.cpus,
            "framework": attempt.framework,
            "metric_pattern": attempt.metric_pattern,
            "has_marks": attempt.has_marks,
            "processes": [_as_record(process) for process in attempt.processes],
            "tuner": self._identity,
        }
        write_atomically(str(here / SPEC), spec, durable=False)
        self._memory.note(slot.cards)
        env = {
            **self._environ,
            **slot.env,
            **hand_over(attempt, here),
            MARK_VARIABLE: job.mark,
        }
        with appended(here / "runner.log") as log:
            inherited = self._leases.descriptors(slot.devices)
            if not self._fork(job, attempt, env, (log.fileno(), *self._lifelines(), *inherited)):
                job.process = start_runner(
                    attempt.directory,
                    env,
                    log=log,
                    lifelines=self._lifelines(),
                    inherited=inherited,
                )
        with contextlib.suppress(OSError):  # no descriptor is free: `_look` tries again
            self._watch(job)

    def _lifelines(self) -> tuple[int, ...]:
        return self._lifeline[:1] if self._lifeline else ()

    def _fork(
        self, job: _Job, attempt: Attempt, env: Mapping[str, str], passed: Sequence[int]
    ) -> bool:
        """Start the runner as a fork of the preload process, if there is one."""
        if self._forks is None:
            return False
        has_lifeline = self._lifeline is not None
        job.who = self._forks.start(attempt, env, passed, has_lifeline=has_lifeline)
        if job.who is not None:
            job.pid = job.who["pid"]
        return job.who is not None

    def _watch(self, job: _Job) -> None:
        """Watch the runner; the pid of our own child cannot be reused meanwhile."""
        if job.process is not None:
            job.pid = job.process.pid
            job.pidfd = os.pidfd_open(job.pid)
        elif job.who is not None and is_alive(job.who):
            job.pid = job.who["pid"]
            with contextlib.suppress(ProcessLookupError):
                job.pidfd = os.pidfd_open(job.pid)
            if not is_alive(job.who):  # it exited between the check and the watch
                self._unwatch(job)

    def _attach(self, job: _Job, here: Path) -> None:
        """Watch the runner that `started.json` names, if that process is still alive."""
        found = read_identity(here / STARTED)
        if found is not None and has_mark(found["pid"], job.mark):
            job.who = found
        self._watch(job)

    def _unwatch(self, job: _Job) -> None:
        if job.pidfd is not None:
            os.close(job.pidfd)
            job.pidfd = None
        if job.process is not None:
            job.process.wait()
            job.process = None

    def poll(self, wait_s: float) -> list[Observation]:
        self._wait(wait_s)
        if self._are_cards_shared and self._jobs and time.monotonic() >= self._next_sample:
            self._memory.sample()
            self._next_sample = time.monotonic() + _MEMORY_SAMPLES_S
        found = []
        for job in list(self._jobs.values()):
            try:
                news = self._look(job)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                time.sleep(_RECHECK_S)  # its end cannot be guessed: try again later
                continue
            if news is not None:
                found.append(news)
        return found

    def _wait(self, wait_s: float) -> None:
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        for job in self._jobs.values():
            if job.pidfd is None:
                wait_s = min(wait_s, _RECHECK_S)
            else:
                poller.register(job.pidfd, select.POLLIN)
                wait_s = min(wait_s, job.patience.until_next_look)
        for descriptor, _ in poller.poll(max(0.0, wait_s) * 1000):
            if descriptor == self._wake_read:
                os.read(self._wake_read, 4096)

    def _look(self, job: _Job) -> Observation | None:
        if job.pidfd is None:
            self._watch(job)
        is_over = job.pidfd is None or bool(select.select([job.pidfd], [], [], 0)[0])
        if is_over:
            self._unwatch(job)
        elif job.pid is not None and job.pidfd is not None:
            job.patience.see_to(job.pid, job.pidfd)
        with job.opened() as here:
            return self._look_into(job, here, is_over=is_over)

    def _look_into(self, job: _Job, here: Path, *, is_over: bool) -> Observation | None:
        # The exit record is written after the last report, so it must be read first.
        record = read_exit(here) if is_over else None
        state = JobState.RUNNING
        if record is not None:
            state = JobState.EXITED
        elif is_over:
            state = self._without_record(job, here)
        held = self._memory.held(job.cards) if state is not JobState.RUNNING else 0
        if held and self._may_come_back(job):
            return None
        is_over = state is not JobState.RUNNING
        reports, job.report_offset = _new_reports(job, here, to_the_end=is_over)
        if is_over:
            del self._jobs[job.key]
        elif not reports:
            return None
        return Observation(job.key, state, tuple(reports), record, held)

    def _may_come_back(self, job: _Job) -> bool:
        """Whether to wait: the driver frees memory shortly after a process has exited."""
        job.memory_deadline = job.memory_deadline or time.monotonic() + _MEMORY_PATIENCE_S
        return time.monotonic() < job.memory_deadline

    def _without_record(self, job: _Job, here: Path) -> JobState:
        """Return the state when the runner is gone without a record: LOST, unless another runs."""
        started = (here / STARTED).exists()
        self._attach(job, here)
        if job.pidfd is not None:
            return JobState.RUNNING
        try:
            lock = try_lock(str(here / LOCK))
        except FileNotFoundError:
            return self._when_nothing_lives(job, here)
        if lock is not None:
            os.close(lock)
        elif not self._is_held_too_long(job, here):
            if started:
                self._kill_remains(job, here)  # usually one of them holds the lock
            job.empty_sweeps = 0
            return JobState.RUNNING  # or another runner is just starting
        return self._when_nothing_lives(job, here)

    def _is_held_too_long(self, job: _Job, here: Path) -> bool:
        """Whether to continue although the lock is held; names its holder once."""
        if job.held_since is None:
            job.held_since = time.monotonic()
        patience_s = 0.0 if job.patience.is_over else _HELD_PATIENCE_S
        if time.monotonic() - job.held_since < patience_s:
            return False
        if not job.is_holder_named:
            job.is_holder_named = True
            who = ", ".join(f"{pid} ({name_of(pid)})" for pid in holders(str(here / LOCK)))
            self._notice(
                f"attempt {job.key[1]} of trial {job.key[0]} has ended, but its lock is held "
                f"by process {who or '?'}, which does not belong to the trial and is not killed; "
                "the run continues without the lock"
            )
        return True

    def _when_nothing_lives(self, job: _Job, here: Path) -> JobState:
        """Return LOST once nothing of the trial is left and no record has appeared meanwhile.

        Nothing must be found twice: a process cannot be found by its environment during `exec`.
        """
        job.empty_sweeps = 0 if self._kill_remains(job, here) else job.empty_sweeps + 1
        if job.empty_sweeps < _EMPTY_SWEEPS:
            return JobState.RUNNING  # the slot stays occupied until the tree is gone
        if read_exit(here) is not None:
            return JobState.RUNNING  # written after the first check; the next one finds it
        if job.patience.killed_for:
            return self._record_end(job, here)
        return JobState.LOST

    def _record_end(self, job: _Job, here: Path) -> JobState:
        """Write the exit record for a runner that did not answer and was killed."""
        record = {
            "why": job.patience.killed_for,
            "returncode": -signal.SIGKILL,
            "seconds": job.patience.seconds,
            "error": "its runner did not answer and was killed",
        }
        try:
            write_atomically(str(here / EXIT), record, durable=False)
        except OSError:
            return JobState.LOST
        return JobState.RUNNING  # the next check finds the record

    def _kill_remains(self, job: _Job, here: Path) -> bool:
        """Kill all that is left of a dead runner's trial; return False once nothing is."""
        cgroup = self._cgroup(job, here)
        remains = job.remains.living(cgroup.pids())
        cgroup.kill()
        send_to(remains, signal.SIGKILL)
        if not remains:
            cgroup.remove()
        return bool(remains)

    def _cgroup(self, job: _Job, here: Path) -> Cgroup:
        """Return the recorded groups or, without a record, those a runner would have made."""
        started = read_json(here / STARTED)
        if started is None:
            return planned_cgroup(job.mark)
        return recorded_cgroup(job.mark, started.get("cgroups"))

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is already full of wake-ups
            os.write(self._wake_write, b"!")

    def request_stop(self, key: Key) -> None:
        job = self._jobs.get(key)
        if job is None:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        # If the file cannot be created, the script is not asked but cancelled later.
        with contextlib.suppress(OSError), job.opened() as here:
            os.close(os.open(here / STOP, flags, 0o600))

    def cancel(self, key: Key) -> None:
        job = self._jobs.get(key)
        if job is None:
            return
        # Use different signals: two pending signals of one kind would be merged.
        signum = signal.SIGINT if job.patience.is_cancelled else signal.SIGTERM
        job.patience.cancel()
        if job.pidfd is not None:
            for number in (
                signum,
                signal.SIGCONT,
            ):  # SIGCONT lets a stopped runner handle the first signal
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(job.pidfd, number)

    def kill_all(self) -> None:
        """Kill runners and trials at once, without records; may be called by another thread."""
        marks = [job.mark for job in list(self._jobs.values())]
        for _ in range(_EMPTY_SWEEPS):
            if marks:
                send_to(marked(*marks), signal.SIGKILL)

    def close(self) -> None:
        for job in self._jobs.values():
            if job.pidfd is not None:
                os.close(job.pidfd)
            if job.process is not None:
                job.process.returncode = 0  # it continues: avoid a ResourceWarning
        self._jobs.clear()
        for descriptor in (self._wake_read, self._wake_write, *(self._lifeline or ())):
            os.close(descriptor)
        self._leases.close()


def _as_record(process: Process) -> dict[str, Any]:
    record = dataclasses.asdict(process)
    if "PYTHONPATH" in process.env:
        record["env"]["PYTHONPATH"] = with_layer(process.env["PYTHONPATH"])
    return record


def _new_reports(job: _Job, here: Path, *, to_the_end: bool) -> tuple[list[Report], int]:
    """Return the next chunk of reports, or all that are left, and the new offset."""
    path, offset, before = here / REPORTS, job.report_offset, -1
    found: list[Report] = []
    while offset != before and (to_the_end or before < 0):
        before = offset
        is_full = job.reports >= MOST_REPORTS
        more, offset = read_reports(path, before, only_final=is_full)
        found += _taken(job, more)
    return found, offset


def _taken(job: _Job, reports: Sequence[Report]) -> Iterator[Report]:
    """Yield all final reports, and intermediate ones up to the limit of an attempt."""
    for report in reports:
        if report.kind == "intermediate":
            job.reports += 1
        if report.kind == "final" or job.reports <= MOST_REPORTS:
            yield report
