"""Runs attempts on this machine, one runner process each. A killed tuner leaves them running."""

from __future__ import annotations

import contextlib
import json
import operator
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.runner.cgroup import Cgroup
from autofinetune.runner.files import EXIT, LOCK, SPEC, STARTED, try_lock, write_atomically
from autofinetune.runner.processes import MARK_VARIABLE, is_alive, marked, send_to

from .base import Attempt, Executor, ExitRecord, Handle, JobState, Key, Observation, Report
from .devices import Slot, used_memory
from .reports import read_regular, read_reports

_RECHECK_S = 0.05  # where no runner can be watched: it is gone, or its processes still go
_EMPTY_SWEEPS = 2
_WHYS = ("exit", "cancel", "timeout", "spawn", "tuner_died")
_MEMORY_PATIENCE_S = 5.0
_MEMORY_MARGIN = 256 << 20  # bytes that other users of a card may take meanwhile
_REPORTS = "reports.jsonl"
_PACKAGE_PARENT = str(Path(__file__).parents[2])
# Without `site` the start takes a third of the time; the package is found by its own place.
START_RUNNER = (
    *(sys.executable, "-S", "-E", "-s", "-c"),
    "import sys; sys.path.insert(0, sys.argv[2]); "
    "from autofinetune.runner.main import main; raise SystemExit(main(sys.argv[1]))",
)


@dataclass
class _Job:
    """A submitted attempt: `pidfd` watches its runner, None once that is gone."""

    key: Key
    directory: Path
    mark: str
    report_offset: int = 0
    process: subprocess.Popen[bytes] | None = None
    pidfd: int | None = None
    pid: int | None = None
    empty_sweeps: int = 0
    is_cancelled: bool = False
    card: str = ""
    memory_before: int | None = None  # of the card, in bytes
    memory_deadline: float | None = None


class LocalExecutor(Executor):
    """Attempts as process trees on this machine.

    Args:
        slots: the places for one trial each.
        environ: the environment of every trial, before that of its slot and its own.
        trials_outlive_us: whether trials go on when this process dies, or are ended.
        memory_of: bytes in use on the card with a UUID, None where that cannot be told. A slot is
            free again only when its card's memory is back to what it was before the trial.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        environ: Mapping[str, str],
        *,
        trials_outlive_us: bool = True,
        memory_of: Callable[[str], int | None] = used_memory,
    ) -> None:
        self._slots = {slot.name: slot for slot in slots}
        self._environ = dict(environ)
        self._jobs: dict[Key, _Job] = {}
        self._memory_of = memory_of
        # The reading end goes to every runner: it closes with us, however we end.
        self._lifeline = None if trials_outlive_us else os.pipe2(os.O_CLOEXEC)
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def slots(self) -> Sequence[str]:
        return list(self._slots)

    def submit(self, attempt: Attempt) -> Handle:
        directory = Path(attempt.directory)
        job = self._jobs.get(attempt.key)
        if job is None:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            mark = f"{attempt.run}/{attempt.trial}/{attempt.attempt}"
            job = _Job(attempt.key, directory, mark)
            if (directory / STARTED).exists():
                self._attach(job)
            else:
                self._start(job, attempt)
            self._jobs[attempt.key] = job
        return {"pid": job.pid, "directory": str(directory)}

    def _start(self, job: _Job, attempt: Attempt) -> None:
        if attempt.slot not in self._slots:
            return  # a slot of an earlier life of the run: this attempt counts as lost
        spec = {
            "run": attempt.run,
            "trial": attempt.trial,
            "attempt": attempt.attempt,
            "argv": list(attempt.argv),
            "cwd": attempt.working_dir,
            "log": attempt.log,
            "grace_s": attempt.grace_s,
            "time_limit_s": attempt.time_limit_s,
            "lifeline": self._lifeline[0] if self._lifeline else None,
        }
        write_atomically(str(job.directory / SPEC), spec, durable=False)
        job.card = self._slots[attempt.slot].card
        job.memory_before = self._memory_of(job.card) if job.card else None
        env = {
            **self._environ,
            **self._slots[attempt.slot].env,
            **attempt.env,
            MARK_VARIABLE: job.mark,
            "AUTOFINETUNE_REPORT_FILE": str(job.directory / _REPORTS),
        }
        with (job.directory / "runner.log").open("ab") as log, _signals_blocked():
            job.process = subprocess.Popen(
                [*START_RUNNER, str(job.directory), _PACKAGE_PARENT],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=self._lifeline[:1] if self._lifeline else (),
                env=env,
            )
        self._watch(job, job.process.pid)

    def _attach(self, job: _Job) -> None:
        """Watch the runner that `started.json` names, if it is that process and it lives."""
        who = _read_json(job.directory / STARTED)
        if who is not None and is_alive(who):
            self._watch(job, who["pid"])
            if not is_alive(who):  # it went between the look and the watch
                self._unwatch(job)

    def _watch(self, job: _Job, pid: int) -> None:
        job.pid = pid
        try:
            job.pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            job.pidfd = None

    def _unwatch(self, job: _Job) -> None:
        if job.pidfd is not None:
            os.close(job.pidfd)
            job.pidfd = None
        if job.process is not None:
            job.process.wait()
            job.process = None

    def poll(self, wait_s: float) -> list[Observation]:
        self._wait(wait_s)
        return [news for job in list(self._jobs.values()) if (news := self._look(job))]

    def _wait(self, wait_s: float) -> None:
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        for job in self._jobs.values():
            if job.pidfd is None:
                wait_s = min(wait_s, _RECHECK_S)
            else:
                poller.register(job.pidfd, select.POLLIN)
        for descriptor, _ in poller.poll(max(0.0, wait_s) * 1000):
            if descriptor == self._wake_read:
                os.read(self._wake_read, 4096)

    def _look(self, job: _Job) -> Observation | None:
        is_over = job.pidfd is None or bool(select.select([job.pidfd], [], [], 0)[0])
        if is_over:
            self._unwatch(job)
        # An exit record is written after the last report, so it is looked for first.
        record = _read_exit(job.directory) if is_over else None
        state = JobState.RUNNING
        if record is not None:
            state = JobState.EXITED
        elif is_over:
            state = self._without_record(job)
        held = self._held_memory(job) if state is not JobState.RUNNING else 0
        if held and job.memory_deadline is not None and time.monotonic() < job.memory_deadline:
            return None  # the driver gives memory back a little after the process has gone
        reports, job.report_offset = read_reports(job.directory / _REPORTS, job.report_offset)
        if state in (JobState.EXITED, JobState.LOST):
            del self._jobs[job.key]
            reports += self._all_reports(job)
        if state is JobState.RUNNING and not reports:
            return None
        return Observation(job.key, state, tuple(reports), record, held)

    def _held_memory(self, job: _Job) -> int:
        """Bytes of the card's memory that are not back since the trial ended."""
        if job.memory_before is None:
            return 0
        job.memory_deadline = job.memory_deadline or time.monotonic() + _MEMORY_PATIENCE_S
        held = (self._memory_of(job.card) or 0) - job.memory_before
        return held if held > _MEMORY_MARGIN else 0

    def _all_reports(self, job: _Job) -> list[Report]:
        """The rest of the reports, chunk by chunk, junk of any length between them included."""
        found: list[Report] = []
        before = -1
        while job.report_offset != before:
            before = job.report_offset
            more, job.report_offset = read_reports(job.directory / _REPORTS, before)
            found += more
        return found

    def _without_record(self, job: _Job) -> JobState:
        """The watched runner is gone and left no record: lost, unless somebody else owns it."""
        started = (job.directory / STARTED).exists()
        self._attach(job)
        if job.pidfd is not None:
            return JobState.RUNNING
        lock = try_lock(str(job.directory / LOCK))
        if lock is None and not started:
            return JobState.RUNNING  # another runner is just starting
        if lock is not None:
            os.close(lock)
        # Twice: a process has no environment to be found by while it becomes another program.
        job.empty_sweeps = 0 if self._kill_remains(job) or lock is None else job.empty_sweeps + 1
        if job.empty_sweeps < _EMPTY_SWEEPS:
            return JobState.RUNNING  # the slot stays taken until the tree is gone
        if _read_exit(job.directory) is not None:
            return JobState.RUNNING  # written after the first look; the next one finds it
        return JobState.LOST

    def _kill_remains(self, job: _Job) -> bool:
        """Kill what a dead runner left, wherever it hid; false once nothing is left."""
        remains = set(marked(job.mark))
        path = (_read_json(job.directory / STARTED) or {}).get("cgroup")
        cgroup = Cgroup(path) if path else None
        if cgroup is not None:
            remains.update(cgroup.pids())
            cgroup.kill()
        send_to(remains, signal.SIGKILL)
        if cgroup is not None and not remains:
            cgroup.remove()
        return bool(remains)

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is full of wake-ups already
            os.write(self._wake_write, b"!")

    def cancel(self, key: Key) -> None:
        job = self._jobs.get(key)
        if job is None or job.pidfd is None:
            return
        # Two equal signals that wait together would be one.
        signum = signal.SIGINT if job.is_cancelled else signal.SIGTERM
        job.is_cancelled = True
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(job.pidfd, signum)

    def close(self) -> None:
        for job in self._jobs.values():
            if job.pidfd is not None:
                os.close(job.pidfd)
            if job.process is not None:
                job.process.returncode = 0  # it goes on without us: no warning at collection
        self._jobs.clear()
        for descriptor in (self._wake_read, self._wake_write, *(self._lifeline or ())):
            os.close(descriptor)


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """A child started inside inherits the mask, so a cancel cannot kill it before it is ready."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(read_regular(path))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _read_exit(directory: Path) -> ExitRecord | None:
    data = _read_json(directory / EXIT)
    try:
        return _as_record(data) if data is not None else None
    except (KeyError, TypeError, ValueError):
        return None  # not what a runner writes: as good as absent


def _as_record(data: dict[str, Any]) -> ExitRecord:
    code = data["returncode"]
    return ExitRecord(
        why=str(data["why"]) if data["why"] in _WHYS else _unknown(data["why"]),
        returncode=None if code is None else operator.index(code),
        seconds=max(0.0, float(data["seconds"])),
        error=data.get("error", ""),
        leftovers=data.get("leftovers", 0),
        survivors=tuple(data.get("survivors", ())),
        is_oom=data["returncode"] == -signal.SIGKILL and data.get("oom_kills", 0) > 0,
    )


def _unknown(why: object) -> str:
    raise ValueError(f"unknown end {why!r}")
