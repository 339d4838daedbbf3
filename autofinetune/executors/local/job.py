"""A submitted attempt on this machine: watches its runner, and removes what is left of it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.core.slot import Slot
from autofinetune.executors.base import JobState
from autofinetune.executors.files.followed import Followed
from autofinetune.executors.files.records import read_exit, read_identity, read_json
from autofinetune.executors.local.patience import Patience, send_by
from autofinetune.runner.cgroup import Cgroup, planned_cgroup, recorded_cgroup
from autofinetune.runner.files import EXIT, LOCK, STARTED, try_lock, write_atomically
from autofinetune.runner.processes import Remains, has_mark, holders, is_alive, name_of, send_to

EMPTY_SWEEPS = 2
_HELD_PATIENCE_S = 10.0  # for a lock held by a process that does not belong to the trial
_MEMORY_PATIENCE_S = 5.0


@dataclass
class Job(Followed):
    """A submitted attempt; `pidfd` watches its runner, and is None once that is gone.

    The runner is our child `process`, or the fork identified by `who`, or the process in
    `started.json`.
    """

    mark: str
    slot: Slot
    cards: tuple[str, ...]
    patience: Patience
    notice: Callable[[str], None]
    who: dict[str, Any] | None = None
    process: subprocess.Popen[bytes] | None = None
    pidfd: int | None = None
    pid: int | None = None
    empty_sweeps: int = 0
    held_since: float | None = None  # since when a process of others holds its lock
    is_holder_named: bool = False
    memory_deadline: float | None = None

    def __post_init__(self) -> None:
        self.remains = Remains(self.mark)

    # --- its runner -----------------------------------------------------------------------------

    def watch(self) -> None:
        """Watch the runner; the pid of our own child cannot be reused meanwhile."""
        if self.process is not None:
            self.pid = self.process.pid
            self.pidfd = os.pidfd_open(self.pid)
        elif self.who is not None and is_alive(self.who):
            self.pid = self.who["pid"]
            with contextlib.suppress(ProcessLookupError):
                self.pidfd = os.pidfd_open(self.pid)
            if not is_alive(self.who):  # it exited between the check and the watch
                self.unwatch()

    def attach(self, here: Path) -> None:
        """Watch the runner that `started.json` names, if that process is still alive."""
        found = read_identity(here / STARTED)
        if found is not None and has_mark(found["pid"], self.mark):
            self.who = found
        self.watch()

    def unwatch(self) -> None:
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
        if self.process is not None:
            self.process.wait()
            self.process = None

    def is_without_runner(self) -> bool:
        """Return whether its runner has exited; one that should end soon is hurried."""
        if self.pidfd is None:
            self.watch()
        if self.pidfd is None or select.select([self.pidfd], [], [], 0)[0]:
            self.unwatch()
            return True
        assert self.pid is not None  # it is watched
        self.patience.see_to(self.pid, self.pidfd)
        return False

    def cancel(self) -> None:
        """Ask the runner to end; a second call kills at once."""
        # Use different signals: two pending signals of one kind would be merged. A stopped runner
        # handles them once it continues.
        signum = signal.SIGINT if self.patience.is_cancelled else signal.SIGTERM
        self.patience.cancel()
        if self.pidfd is not None:
            send_by(self.pidfd, signum)
            send_by(self.pidfd, signal.SIGCONT)

    def abandon(self) -> None:
        """Stop watching; the runner continues."""
        if self.pidfd is not None:
            os.close(self.pidfd)
        if self.process is not None:
            self.process.returncode = 0  # it continues: avoid a ResourceWarning

    def may_get_memory_back(self) -> bool:
        """Return whether to wait: the driver frees memory shortly after a process has exited."""
        self.memory_deadline = self.memory_deadline or time.monotonic() + _MEMORY_PATIENCE_S
        return time.monotonic() < self.memory_deadline

    # --- a runner that is gone without a record -------------------------------------------------

    def state_without_record(self, here: Path) -> JobState:
        """Return LOST, unless another runner runs or something is left."""
        started = (here / STARTED).exists()
        self.attach(here)
        if self.pidfd is not None:
            return JobState.RUNNING
        try:
            lock = try_lock(str(here / LOCK))
        except FileNotFoundError:
            return self._state_when_nothing_lives(here)
        if lock is not None:
            os.close(lock)
        elif not self._is_held_too_long(here):
            if started:
                self._kill_remains(here)  # usually one of them holds the lock
            self.empty_sweeps = 0
            return JobState.RUNNING  # or another runner is just starting
        return self._state_when_nothing_lives(here)

    def _is_held_too_long(self, here: Path) -> bool:
        """Return whether to continue although the lock is held; names its holder once."""
        if self.held_since is None:
            self.held_since = time.monotonic()
        patience_s = 0.0 if self.patience.is_over else _HELD_PATIENCE_S
        if time.monotonic() - self.held_since < patience_s:
            return False
        if not self.is_holder_named:
            self.is_holder_named = True
            who = ", ".join(f"{pid} ({name_of(pid)})" for pid in holders(str(here / LOCK)))
            self.notice(
                f"attempt {self.key[1]} of trial {self.key[0]} has ended, but its lock is held "
                f"by process {who or '?'}, which does not belong to the trial and is not killed; "
                "the run continues without the lock"
            )
        return True

    def _state_when_nothing_lives(self, here: Path) -> JobState:
        """Return LOST once nothing of the trial is left and no record has appeared meanwhile.

        Nothing must be found twice: a process cannot be found by its environment during `exec`.
        """
        self.empty_sweeps = 0 if self._kill_remains(here) else self.empty_sweeps + 1
        if self.empty_sweeps < EMPTY_SWEEPS:
            return JobState.RUNNING  # the slot stays occupied until the tree is gone
        if read_exit(here) is not None:
            return JobState.RUNNING  # written after the first check; the next one finds it
        if self.patience.killed_for:
            return self._record_end(here)
        return JobState.LOST

    def _record_end(self, here: Path) -> JobState:
        """Write the exit record for a runner that did not answer and was killed."""
        record = {
            "why": self.patience.killed_for,
            "returncode": -signal.SIGKILL,
            "seconds": self.patience.seconds,
            "error": "its runner did not answer and was killed",
        }
        try:
            write_atomically(str(here / EXIT), record, durable=False)
        except OSError:
            return JobState.LOST
        return JobState.RUNNING  # the next check finds the record

    def _kill_remains(self, here: Path) -> bool:
        """Kill all that is left of a dead runner's trial; return False once nothing is."""
        cgroup = self._cgroup(here)
        remains = self.remains.living(cgroup.pids())
        cgroup.kill()
        send_to(remains, signal.SIGKILL)
        if not remains:
            cgroup.remove()
        return bool(remains)

    def _cgroup(self, here: Path) -> Cgroup:
        """Return the recorded groups or, without a record, those a runner would have made."""
        started = read_json(here / STARTED)
        if started is None:
            return planned_cgroup(self.mark)
        return recorded_cgroup(self.mark, started.get("cgroups"))
