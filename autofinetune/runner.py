"""The small process that owns one attempt of one trial and outlives the tuner.

It is started as `python -S -E -s runner.py ATTEMPT_DIR` in a session of its own, reads `spec.json`
there, runs the command, clears away everything the command left behind and writes `exit.json`
last, by rename. That record is the truth about the attempt; whatever else is known of it is a
hint. Standard library only, and few modules of that: its start is on the path of every trial.

Files in the attempt directory:
    spec.json      what to run, written by the executor
    lock           held by the runner and inherited by the trial: free means that nothing lives
    started.json   who runs it (pid, start time, boot); written before the command is started,
                   so an attempt is started at most once
    exit.json      how it ended

SIGTERM asks for an early end: the command gets SIGTERM, after `grace_s` the whole tree SIGKILL;
a second SIGTERM shortens the grace to nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from typing import Any

MARK_VARIABLE = "AUTOFINETUNE_MARK"
SPEC, LOCK, STARTED, EXIT = "spec.json", "lock", "started.json", "exit.json"
LEFTOVER_GRACE_S = 2.0
KILL_PATIENCE_S = 60.0
_WAITED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
_PR_SET_CHILD_SUBREAPER = 36


def main(directory: str) -> int:
    """Run the attempt in `directory` to its end; returns the exit code of the runner itself."""
    lock = try_lock(os.path.join(directory, LOCK))
    if lock is None or os.path.exists(os.path.join(directory, STARTED)):
        return 0  # somebody owns it already, or it was started once before
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_WAITED, signal.SIGHUP))
    with open(os.path.join(directory, SPEC), encoding="utf-8") as file:
        spec = json.load(file)
    become_subreaper()
    # Not durable: after a power cut nothing runs any more, whatever the file says.
    write_atomically(os.path.join(directory, STARTED), identity(os.getpid()), durable=False)
    began = time.monotonic()
    try:
        record = _Trial(spec, _spawn(spec, lock), began).run_to_end()
    except OSError as error:
        record = {"why": "spawn", "error": str(error), "returncode": None}
    record["seconds"] = time.monotonic() - began
    write_atomically(os.path.join(directory, EXIT), record, durable=True)
    return 0


class _Trial:
    """Waits for the command and for signals; time is monotonic throughout."""

    def __init__(self, spec: dict[str, Any], pid: int, began: float) -> None:
        self.pid = pid
        self.mark = os.environ.get(MARK_VARIABLE, "")
        self.grace_s = float(spec["grace_s"])
        limit = spec.get("time_limit_s")
        self.deadline = None if limit is None else began + float(limit)
        self.why = "exit"
        self.status: int | None = None

    def run_to_end(self) -> dict[str, Any]:
        while not self._reap():
            self._wait_for_signal()
        assert self.status is not None
        leftovers, survivors = self._clear_tree()
        return {
            "why": self.why,
            "returncode": os.waitstatus_to_exitcode(self.status),
            "leftovers": leftovers,
            "survivors": survivors,
        }

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

    def _wait_for_signal(self) -> None:
        if self.deadline is None:
            arrived: int | None = signal.sigwaitinfo(_WAITED).si_signo
        else:
            patience = max(0.0, self.deadline - time.monotonic())
            info = signal.sigtimedwait(_WAITED, patience)
            arrived = info.si_signo if info else None
        if arrived == signal.SIGCHLD:
            return
        if self.why == "exit":
            self._ask_to_end("timeout" if arrived is None else "cancel")
        else:  # asked already: patience is over
            self.deadline = None
            send_to(descendants(os.getpid()), signal.SIGKILL)

    def _ask_to_end(self, why: str) -> None:
        self.why = why
        self.deadline = time.monotonic() + self.grace_s
        send_to([self.pid], signal.SIGTERM)

    def _clear_tree(self) -> tuple[int, list[int]]:
        """End what the command left behind: (how many there were, pids that would not die)."""
        left = self._living()
        if not left:
            return 0, []
        count = len(left)
        send_to(left, signal.SIGTERM)
        self._until_gone(LEFTOVER_GRACE_S, signum=None)
        return count, self._until_gone(KILL_PATIENCE_S, signum=signal.SIGKILL)

    def _until_gone(self, patience_s: float, signum: int | None) -> list[int]:
        end = time.monotonic() + patience_s
        while (left := self._living()) and time.monotonic() < end:
            if signum is not None:
                send_to(left, signum)
            signal.sigtimedwait((signal.SIGCHLD,), 0.02)
        return left

    def _living(self) -> list[int]:
        self._reap()
        own = os.getpid()
        found = set(descendants(own))
        if found or not is_subreaper():  # as a subreaper we lose nobody, and need no wider look
            found.update(marked(self.mark))
        found.discard(own)
        return sorted(found)


def _spawn(spec: dict[str, Any], lock: int) -> int:
    os.chdir(spec["cwd"])
    os.set_inheritable(lock, True)
    log = os.open(spec["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    argv = [str(word) for word in spec["argv"]]
    try:
        return os.posix_spawnp(
            argv[0],
            argv,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ),
        )
    finally:
        os.close(log)
        os.close(null)


# --- facts about processes, also used by the local executor -------------------------------------


def boot_id() -> str:
    """The kernel's name of this boot; pids of another boot mean nothing."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def start_time(pid: int) -> int | None:
    """Clock ticks since boot when `pid` started, or None when there is no living such process."""
    found = _stat(pid)
    return None if found is None else found[1]


def identity(pid: int) -> dict[str, Any]:
    """What tells this process from every other one, also after its pid was used again."""
    return {"pid": pid, "start_time": start_time(pid), "boot_id": boot_id()}


def is_alive(who: dict[str, Any]) -> bool:
    """Whether the process described by `identity` lives (a zombie does not)."""
    found = start_time(who["pid"])
    return found is not None and [found, boot_id()] == [who["start_time"], who["boot_id"]]


def _stat(pid: int) -> tuple[int, int] | None:
    """(parent pid, start time) of a process that lives."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else (int(fields[1]), int(fields[19]))


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(root: int) -> list[int]:
    """Living processes below `root`, at any depth."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        found = _stat(pid)
        if found is not None:
            children.setdefault(found[0], []).append(pid)
    below: list[int] = []
    frontier = [root]
    while frontier:
        found_here = children.get(frontier.pop(), [])
        below += found_here
        frontier += found_here
    return below


def marked(mark: str) -> list[int]:
    """Living processes whose environment carries exactly this mark, ourselves left out."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    found = []
    for pid in _all_pids():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:  # gone meanwhile, or another user's
            continue
        if wanted in words and pid != os.getpid() and _stat(pid) is not None:
            found.append(pid)
    return found


def send_to(pids: list[int], signum: int) -> None:
    """Signal each process through a pidfd, so that a pid used again meanwhile is left alone."""
    for pid in pids:
        before = start_time(pid)
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if before is not None and start_time(pid) == before:
                signal.pidfd_send_signal(descriptor, signum)
        except ProcessLookupError:
            pass
        finally:
            os.close(descriptor)


_subreaper = False


def become_subreaper() -> None:
    """Let orphans below this process become its children, where the C library is at hand."""
    global _subreaper
    try:
        import ctypes

        _subreaper = ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (ImportError, OSError, AttributeError):
        _subreaper = False


def is_subreaper() -> bool:
    return _subreaper


def try_lock(path: str) -> int | None:
    """Take the lock file without waiting; the descriptor, or None when somebody holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def write_atomically(path: str, record: dict[str, Any], *, durable: bool) -> None:
    """Write JSON so that the file is absent or whole; if `durable`, also after a power cut."""
    partial = f"{path}.tmp"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, json.dumps(record).encode())
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(partial, path)
    if durable:
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
