"""The life of a runner: start the command, wait, end what is left, write the exit record.

The local executor starts it in a session of its own with the attempt directory as its argument:

    spec.json      what to run, written by the executor
    lock           held by the runner and inherited by the trial: free means that nothing lives
    started.json   who runs it (pid, start time, boot); written before the command is started,
                   so an attempt is started at most once
    reports.jsonl  what the script reported
    exit.json      how it ended, written last and by rename: the truth about the attempt

SIGTERM asks for an early end: the command gets SIGTERM, after `grace_s` the whole tree SIGKILL; a
second SIGTERM shortens the grace to nothing. `lifeline` in the spec is a descriptor whose other
end the tuner holds: when it closes the tuner is dead, and the trial is ended too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

from autofinetune.runner.cgroup import make_cgroup, oom_counter
from autofinetune.runner.files import (
    EXIT,
    LOCK,
    REPORTS,
    SPEC,
    STARTED,
    try_lock,
    write_atomically,
)
from autofinetune.runner.log import BoundedLog
from autofinetune.runner.processes import (
    MARK_VARIABLE,
    become_subreaper,
    descendants,
    identity,
    marked,
    send_to,
)

LEFTOVER_GRACE_S = 2.0
KILL_PATIENCE_S = 60.0
_PIPE_BYTES = 1 << 20
_SPAWN_TRIES = 20
_HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


def main(directory: str) -> int:
    """Run the attempt in `directory` to its end; returns the exit code of the runner itself."""
    lock = try_lock(os.path.join(directory, LOCK))
    if lock is None or os.path.exists(os.path.join(directory, STARTED)):
        return 0  # somebody owns it already, or it was started once before
    with open(os.path.join(directory, SPEC), encoding="utf-8") as file:
        spec = json.load(file)
    trial = _Trial(spec, directory)
    reports = _open_reports(directory)
    # Not durable: after a power cut nothing runs any more, whatever the file says.
    started = identity(os.getpid()) | {"cgroups": trial.cgroup.paths}
    write_atomically(os.path.join(directory, STARTED), started, durable=False)
    began = time.monotonic()
    try:
        record = trial.run(lock)
    except OSError as error:
        record = {"why": "spawn", "error": str(error), "returncode": None}
        trial.cgroup.remove()
    record["seconds"] = time.monotonic() - began
    _write_record(directory, record, reports)
    return 0


def _open_reports(directory: str) -> int:
    """What the script reports can be read here even after it has deleted the file."""
    flags = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(os.path.join(directory, REPORTS), flags, 0o600)


def _write_record(directory: str, record: dict[str, Any], reports: int) -> None:
    """On a full disk it waits for space: the record is small and must not be lost."""
    while True:
        try:
            if not os.path.isdir(directory):
                _bring_back(directory, reports)
            return write_atomically(os.path.join(directory, EXIT), record, durable=True)
        except OSError:
            if not os.path.isdir(os.path.dirname(os.path.dirname(directory))):
                return None  # all trials were deleted: nobody asks for this one
            time.sleep(1.0)


def _bring_back(directory: str, reports: int) -> None:
    """The script deleted its own directory, and what it had reported with it."""
    os.makedirs(directory, 0o700)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    copy = os.open(os.path.join(directory, REPORTS), flags, 0o600)
    try:
        os.lseek(reports, 0, os.SEEK_SET)
        while data := os.read(reports, 1 << 20):
            os.write(copy, data)
        os.fsync(copy)
    finally:
        os.close(copy)


def _patiently(start: Callable[..., int], *args: Any, **options: Any) -> int:
    """Start a process; a machine without room for one gets some time to find it."""
    for _ in range(_SPAWN_TRIES):
        try:
            return start(*args, **options)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOMEM):
                raise
            time.sleep(0.5)
    return start(*args, **options)


class _Trial:
    """One command and everything below it; time is monotonic throughout."""

    def __init__(self, spec: dict[str, Any], directory: str) -> None:
        self.spec = spec
        self.mark = os.environ.get(MARK_VARIABLE, "")
        self.grace_s = float(spec["grace_s"])
        self.why = "exit"
        self.status: int | None = None
        self.asked = 0  # how many signals asked for the end
        self.taken = 0  # how many of them were acted upon
        self.pid = 0
        self.cgroup = make_cgroup(self.mark)
        self.oom_kills = oom_counter(self.cgroup)
        self.is_subreaper = become_subreaper()
        self.log = BoundedLog(spec["log"], directory, *spec.get("log_bytes", ()))
        self.deadline: float | None = None
        self.lifeline = spec.get("lifeline")
        self.wake = self._catch_signals()
        self.output: int | None = None

    def _catch_signals(self) -> int:
        """Signals become bytes in a pipe that `_wait` watches beside the output."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._on_request)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)  # blocked since our own start
        return reader

    def _on_request(self, signum: int, frame: object) -> None:
        self.asked += 1

    def run(self, lock: int) -> dict[str, Any]:
        """Start the command and stay with it to the end; the exit record without its length."""
        kills_before = self.oom_kills()
        self._spawn(lock)
        limit = self.spec.get("time_limit_s")
        self.deadline = None if limit is None else time.monotonic() + float(limit)
        while not self._reap():
            self._wait()
        assert self.status is not None
        leftovers, survivors = self._clear_tree()
        self._drain()
        self.log.close()
        oom_kills = self.oom_kills() - kills_before
        self.cgroup.remove()
        return {
            "why": self.why,
            "returncode": os.waitstatus_to_exitcode(self.status),
            "leftovers": leftovers,
            "survivors": survivors,
            "oom_kills": oom_kills,
            "log_bytes_dropped": self.log.dropped,
        }

    def _spawn(self, lock: int) -> None:
        os.chdir(self.spec["cwd"])
        os.set_inheritable(lock, True)
        self.output, printed = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a user's limit of pipe memory; the default will do
            fcntl.fcntl(printed, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.set_blocking(self.output, False)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        argv = [str(word) for word in self.spec["argv"]]
        try:
            self.pid = _patiently(
                os.posix_spawnp,
                argv[0],
                argv,
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, null, 0),
                    (os.POSIX_SPAWN_DUP2, printed, 1),
                    (os.POSIX_SPAWN_DUP2, printed, 2),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP),
            )
        finally:
            os.close(printed)
            os.close(null)
        # After the start, which it would delay; what the command forks before is found anyway.
        self.cgroup.add(self.pid)

    def _wait(self) -> None:
        """Wait for output, a signal, the tuner's death or the deadline, and act on it."""
        poller = select.poll()
        for descriptor in (self.wake, self.output, self.lifeline):
            if descriptor is not None:
                poller.register(descriptor, select.POLLIN)
        left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        ready = [
            descriptor for descriptor, _ in poller.poll(None if left is None else left * 1000)
        ]
        if self.output in ready:
            self._pump()
        if self.wake in ready:
            os.read(self.wake, 4096)
        if self.taken < self.asked:
            while self.taken < self.asked:  # several may have come at once
                self.taken += 1
                self._end("cancel")
        elif self.lifeline in ready and self.lifeline is not None:
            self.lifeline = None
            self._end("tuner_died")
        elif self.deadline is not None and time.monotonic() >= self.deadline:
            self._end("timeout")

    def _end(self, why: str) -> None:
        if self.why == "exit":
            self.why = why
            self.deadline = time.monotonic() + self.grace_s
            send_to([self.pid], signal.SIGTERM)
        else:  # asked already: patience is over
            self.deadline = None
            self._kill_all(self._living())

    def _pump(self) -> bool:
        """Take what was printed; false when there is nothing more for now or for ever."""
        if self.output is None:
            return False
        try:
            data = os.read(self.output, _PIPE_BYTES)
        except BlockingIOError:
            return False
        if not data:
            os.close(self.output)
            self.output = None
            return False
        self.log.write(data)
        return True

    def _drain(self) -> None:
        while self._pump():
            pass

    def _reap(self) -> bool:
        """Collect every dead child; true once the command itself is among them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self.pid:
                self.status = status
        return self.status is not None

    # --- what the command leaves behind ---------------------------------------------------------

    def _clear_tree(self) -> tuple[int, list[int]]:
        """End what the command left behind: (how many there were, pids that would not die)."""
        left = self._living()
        if not left:
            return 0, []
        count = len(left)
        send_to(left, signal.SIGTERM)
        self._until_gone(LEFTOVER_GRACE_S, kill=False)
        return count, self._until_gone(KILL_PATIENCE_S, kill=True)

    def _until_gone(self, patience_s: float, *, kill: bool) -> list[int]:
        end = time.monotonic() + patience_s
        while (left := self._living()) and time.monotonic() < end:
            if kill:
                self._kill_all(left)
            self._drain()
            select.select([self.wake], [], [], 0.02)
        return left

    def _kill_all(self, pids: list[int]) -> None:
        self.cgroup.kill()
        send_to(pids, signal.SIGKILL)

    def _living(self) -> list[int]:
        self._reap()
        own = os.getpid()
        found = {*descendants(own), *self.cgroup.pids()}
        if found or not self.is_subreaper:  # a subreaper loses nobody and need not look further
            found.update(marked(self.mark))
        found.discard(own)
        return sorted(found)
