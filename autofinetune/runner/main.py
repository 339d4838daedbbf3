"""The main loop of a runner: start the command, wait, kill what is left, write the exit record.

An executor starts it in its own session, with the attempt directory as its argument:

    spec.json      what to run, written by the executor
    lock           held by the runner and inherited by the trial; if free, no process is left
    started.json   the runner's identity (pid, start time, boot) and node, written before the
                   command is started, so that an attempt starts at most once; later with its
                   control groups
    reports.jsonl  what the script reported
    exit.json      how it ended, written last and by rename: authoritative for the attempt

The command is started as `ranks` processes, or as the `processes` of the spec with their own
commands and variables, all pinned to the cores `cpus` if the spec names them. `framework` decides
which variables tell them apart.

SIGTERM asks for an early end: every rank gets SIGTERM and, after `grace_s`, the whole tree gets
SIGKILL. A second SIGTERM ends the grace period. SIGUSR2 says that the time limit of a queueing
system is near. `lifeline` is a descriptor whose other end the tuner holds: when it closes, the
tuner is dead, and the trial is terminated too. With `fence_s`, the runner looks at that interval
for an exit record: one by the executor, which believes that the node is lost, ends it at once.
With `spans_nodes`, several ranks are started on all nodes of the job of Slurm that this is.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import time
from collections.abc import Callable

from autofinetune.runner.cgroup import Cgroup, machine_oom_kills, oom_counter, planned_cgroup
from autofinetune.runner.files import (
    EXIT,
    LOCK,
    REPORTS,
    SPEC,
    STARTED,
    try_lock,
    write_atomically,
)
from autofinetune.runner.home import Home
from autofinetune.runner.log import BoundedLog
from autofinetune.runner.output import Output
from autofinetune.runner.processes import (
    MARK_VARIABLE,
    MOVED_VARIABLE,
    become_subreaper,
    carry,
    descendants,
    identity,
    is_alive,
    marked,
    send_to,
)
from autofinetune.runner.ranks import Ranks
from autofinetune.runner.scan import Scanner

TYPE_CHECKING = False
if TYPE_CHECKING:  # it takes a sixth of the start of a runner
    from typing import Any

LEFTOVER_GRACE_S = 2.0
KILL_PATIENCE_S = 60.0
FENCED = "fenced"  # why of an end for which no record is written
SETTLED_S = 0.05  # shorter commands are not moved into a group, which takes some 10 ms
_SPAWN_TRIES = 20
_MOVES = 3  # passes, to catch processes started while others are moved
_NEVER = float("inf")
_LONGEST_WAIT_S = 86_400.0  # the kernel counts milliseconds in 31 bits
_HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
CHANGED = (*_HANDLED, signal.SIGHUP)  # signals whose handling a runner changes
Start = Callable[[list[str], dict[str, str], int, int], int]


def start_program(argv: list[str], environ: dict[str, str], stdin: int, output: int) -> int:
    """Start the command, which gets all inheritable descriptors, and return its pid."""
    return os.posix_spawnp(
        _encoded(_program(argv[0], environ)),
        [_encoded(word) for word in argv],
        {_encoded(name): _encoded(value) for name, value in environ.items()},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP),
    )


def _encoded(word: str) -> bytes:
    """Encode a word in this locale or, where that fails, as UTF-8."""
    try:
        return os.fsencode(word)
    except UnicodeEncodeError:
        return word.encode("utf-8", "backslashreplace")


def _program(name: str, environ: dict[str, str]) -> str:
    """Find a command in its own PATH; ours is searched anyway."""
    path = environ.get("PATH", "")
    if "/" in name or path == os.environ.get("PATH", ""):
        return name
    places = [os.path.join(folder, name) for folder in path.split(":") if folder]
    found = (place for place in places if os.path.isfile(place) and os.access(place, os.X_OK))
    return next(found, name)


def main(directory: str, lifeline: int | None = None, start: Start = start_program) -> int:
    """Run the attempt in `directory` to its end.

    Args:
        directory: the attempt's directory.
        lifeline: a descriptor that closes when the tuner dies.
        start: starts a command with an environment, a standard input and an output.
    """
    home = Home(directory)
    lock = try_lock(os.path.join(home.path, LOCK))
    if lock is None or any(os.path.exists(os.path.join(home.path, n)) for n in (STARTED, EXIT)):
        return 0  # another runner owns it, it was started before, or it is over
    with open(os.path.join(home.path, SPEC), encoding="utf-8") as file:
        spec = json.load(file)
    os.environ.update(spec.get("env", {}))
    trial = _Trial(spec, home.path, lifeline, start)
    # Opened now, so that they can be read even after the script deletes the file.
    flags = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    reports = os.open(os.path.join(home.path, REPORTS), flags, 0o600)
    # Not durable: after a power cut nothing is running, whatever the file says.
    write_atomically(os.path.join(home.path, STARTED), _own_identity(), durable=False)
    began = time.monotonic()
    record = trial.run(lock)
    record["seconds"] = time.monotonic() - began
    if record["why"] == "tuner_died" and spec.get("is_scratch"):
        import shutil  # only if needed: the start of a runner delays its trial

        shutil.rmtree(directory, ignore_errors=True)
    elif record["why"] != FENCED:
        _write_record(home, record, reports, durable=not _is_tuner_alive(spec))
    return 0


def _own_identity() -> dict[str, Any]:
    """Return what identifies this process, with the name of its node as Slurm knows it."""
    node = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
    return {**identity(os.getpid()), "node": node}


def _is_tuner_alive(spec: dict[str, Any]) -> bool:
    """Whether the tuner lives, which then makes the end durable in its journal: no fsync here."""
    try:
        return is_alive(spec["tuner"])
    except (OSError, LookupError, TypeError):
        return False


def _write_record(home: Home, record: dict[str, Any], reports: int, *, durable: bool) -> None:
    """Write the exit record, which must not be lost; on a full disk, wait for space."""
    while True:
        try:
            if not home.is_in_place():
                home.bring_back()
                _save_reports(home.path, reports)
            return write_atomically(os.path.join(home.path, EXIT), record, durable=durable)
        except OSError:
            if home.is_forgotten():
                return None  # the output directory was deleted: the record is not needed
            time.sleep(1.0)


def _save_reports(directory: str, reports: int) -> None:
    """Write the reports again after the script removed its own directory."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    copy = os.open(os.path.join(directory, REPORTS), flags, 0o600)
    try:
        os.lseek(reports, 0, os.SEEK_SET)
        while data := os.read(reports, 1 << 20):
            os.write(copy, data)
        os.fsync(copy)
    finally:
        os.close(copy)


def _patiently(start: Callable[..., int], *args: Any) -> int:
    """Start a process; retry for a while if the machine lacks the resources."""
    for _ in range(_SPAWN_TRIES):
        try:
            return start(*args)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOMEM):
                raise
            time.sleep(0.5)
    return start(*args)


def _keep_to(cpus: list[int]) -> None:
    """Pin this process, and so all that it starts, to these cores, if there are any."""
    try:
        if cpus:
            os.sched_setaffinity(0, cpus)
    except OSError as error:
        raise OSError(error.errno, f"the cores {cpus} cannot be used") from None


class _Trial:
    """One command, as one process or several ranks, and everything below it.

    When the first rank fails, the others are terminated, as they would wait for it, and its exit
    code is the trial's. All times are monotonic.
    """

    def __init__(
        self, spec: dict[str, Any], directory: str, lifeline: int | None, start: Start
    ) -> None:
        self.spec = spec
        self.directory = directory
        self.where = {MOVED_VARIABLE: directory.replace("self", str(os.getpid()), 1)}
        self.lifeline = lifeline
        self.start = start
        self.mark = os.environ.get(MARK_VARIABLE, "")
        self.grace_s = float(spec["grace_s"])
        self.why = "exit"
        self.signal = 0  # the signal that asked for an early end
        self.is_ending = False
        self.status = 0  # of the first rank that failed
        self.pids: set[int] = set()  # of the living ranks
        self.services: set[int] = set()  # of the living services, which are not waited for
        self.has_children = False  # orphaned descendants become children of a subreaper
        self.cgroup = Cgroup(())
        self.oom_kills = machine_oom_kills
        self.oom_kills_before = self.oom_kills()
        self.is_subreaper = become_subreaper()
        if self.mark:
            carry(self.mark)
        self.log = BoundedLog(spec["log"], directory, *spec.get("log_bytes", ()))
        self.scanner = Scanner(
            os.path.join(directory, REPORTS),
            spec.get("metric_pattern", ""),
            has_marks=spec.get("has_marks", False),
        )
        self.output = Output(self.log, self.scanner)
        self.deadline = _NEVER
        self.settles_at = _NEVER
        self.fence_s = float(spec.get("fence_s", _NEVER))
        self.looks_at = time.monotonic() + self.fence_s
        self.wake = self._catch_signals()

    def _catch_signals(self) -> int:
        """Turn signals into bytes in a pipe, which `_wait` watches together with the output."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for signum in _HANDLED:
            signal.signal(signum, lambda signum, frame: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)  # blocked since our own start
        return reader

    def run(self, lock: int) -> dict[str, Any]:
        """Run the command to its end; return the exit record without `seconds`."""
        try:
            self._spawn(lock)
        except OSError as error:
            self._until_gone(KILL_PATIENCE_S, kill=True)  # ranks that were already started
            self.output.close()
            return {"why": "spawn", "error": str(error), "returncode": None}
        began = time.monotonic()
        limit = self.spec.get("time_limit_s")
        self.deadline = _NEVER if limit is None else began + float(limit)
        self.settles_at = began + SETTLED_S
        while self._reap():
            if self.status and not self.is_ending:
                self._end("exit")
            self._wait()
        leftovers, survivors = self._clear_tree()
        self.output.close()
        self._write_scanned()
        self.ranks.close()
        oom_kills = self.oom_kills() - self.oom_kills_before
        self.cgroup.remove()
        return {
            "why": self.why,
            "signal": self.signal,
            "returncode": os.waitstatus_to_exitcode(self.status),
            "leftovers": leftovers,
            "survivors": survivors,
            "oom_kills": oom_kills,
            "log_bytes_dropped": self.log.dropped,
            "log_error": self.log.error,
        }

    def _write_scanned(self) -> None:
        """Write the scores found in the output; on a full disk, wait for space."""
        while not self.scanner.write():
            time.sleep(1.0)

    def _spawn(self, lock: int) -> None:
        os.chdir(self.spec["cwd"])
        os.set_inheritable(lock, True)
        _keep_to(self.spec.get("cpus", ()))
        alike = [{"role": "worker", "argv": self.spec["argv"], "env": {}, "is_service": False}]
        processes = self.spec.get("processes") or alike * self.spec.get("ranks", 1)
        roles = [process["role"] for process in processes]
        self.ranks = Ranks(roles, self.mark, self.spec.get("framework", "pytorch"))
        is_wide = os.environ.get("SLURM_JOB_NUM_NODES", "1") != "1"
        if len(processes) > 1 and is_wide and self.spec.get("spans_nodes"):
            self._spawn_on_nodes()
        else:
            for rank, own in enumerate(self.ranks.environments):
                self._spawn_rank(rank, processes[rank], own)

    def _spawn_on_nodes(self) -> None:
        """Start one process, which starts the ranks on all nodes of this job."""
        from autofinetune.runner import nodes  # only if needed: it delays the trial

        if "TORCHELASTIC_RUN_ID" not in self.ranks.environments[0]:
            raise OSError(errno.ENOTSUP, "on several nodes, processes meet as in torchrun only")
        words = nodes.launch(self.spec["argv"], len(self.ranks.environments))
        # The port is reserved here, where rank 0 runs.
        own = {name: self.ranks.environments[0][name] for name in nodes.SHARED}
        self._spawn_rank(0, {"argv": words, "env": own, "is_service": False}, {})

    def _spawn_rank(self, rank: int, process: dict[str, Any], own: dict[str, str]) -> None:
        argv = [str(word) for word in process["argv"]]
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        printed = self.output.pipe(rank)
        try:
            environ = {**os.environ, **self.where, **process["env"], **own}
            pid = _patiently(self.start, argv, environ, null, printed)
        finally:
            os.close(printed)
            os.close(null)
        (self.services if process["is_service"] else self.pids).add(pid)

    def _settle(self) -> None:
        """Move the running command and its descendants into their own control groups.

        If that fails, the command continues without them.
        """
        self.settles_at = _NEVER
        try:
            group = planned_cgroup(self.mark)
            # Record the groups first: an unrecorded one would outlive a killed runner.
            started = {**_own_identity(), "cgroups": group.paths}
            write_atomically(os.path.join(self.directory, STARTED), started, durable=False)
            self.cgroup = group
            group.make()
            moved: set[int] = set()
            for _ in range(_MOVES):
                found = {*descendants(os.getpid())} - moved
                if not found:
                    break
                group.move(found)
                moved |= found
            self.oom_kills = oom_counter(group)
            self.oom_kills_before = self.oom_kills()
        except OSError:
            pass

    def _wait(self) -> None:
        """Wait for output, a signal, the tuner's death or the deadline, and handle it."""
        poller = select.poll()
        for descriptor in (self.wake, self.lifeline, *self.output.pipes):
            if descriptor is not None:
                poller.register(descriptor, select.POLLIN)
        left = min(self.settles_at, self.deadline, self.looks_at) - time.monotonic()
        left = min(max(0.0, left), _LONGEST_WAIT_S) * 1000
        ready = [descriptor for descriptor, _ in poller.poll(left)]
        for pipe in set(self.output.pipes).intersection(ready):
            self.output.pump(pipe)
        signals = os.read(self.wake, 4096) if self.wake in ready else b""
        requests = [signum for signum in signals if signum != signal.SIGCHLD]
        if requests:
            for signum in requests:  # several may have arrived at once
                self.signal = self.signal or signum
                self._end("timeout" if signum == signal.SIGUSR2 else "cancel")
        elif self.lifeline in ready and self.lifeline is not None:
            self.lifeline = None
            self._end("tuner_died")
        elif time.monotonic() >= self.deadline:
            self._end("timeout")
        if time.monotonic() >= self.settles_at:
            self._settle()
        if time.monotonic() >= self.looks_at:
            self._look_at_fence()

    def _look_at_fence(self) -> None:
        """Kill the command if the executor has recorded its end meanwhile."""
        self.looks_at = time.monotonic() + self.fence_s
        if os.path.exists(os.path.join(self.directory, EXIT)):
            self.why = FENCED
            self.is_ending = True
            self._kill_all(self._living())

    def _end(self, why: str) -> None:
        if not self.is_ending:
            self.is_ending = True
            self.why = why
            self.deadline = time.monotonic() + self.grace_s
            send_to(self.pids | self.services, signal.SIGTERM)
        else:  # the grace period is over, or ended by another request
            self.deadline = _NEVER
            self._kill_all(self._living())

    def _reap(self) -> bool:
        """Collect every dead child; return whether a rank still lives."""
        self.has_children = True
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.has_children = False
                break
            if pid == 0:
                break
            if pid in self.pids or (pid in self.services and self.pids):
                self.status = self.status or status
            self.pids.discard(pid)
            self.services.discard(pid)
        return bool(self.pids)

    # --- what the command leaves behind ---------------------------------------------------------

    def _clear_tree(self) -> tuple[int, list[int]]:
        """Kill what is left; return the number of processes and the pids of those that survive."""
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
            self.output.drain()
            select.select([self.wake], [], [], 0.02)
        return left

    def _kill_all(self, pids: list[int]) -> None:
        self.cgroup.kill()
        send_to(pids, signal.SIGKILL)

    def _living(self) -> list[int]:
        self._reap()
        own = os.getpid()
        found = set(self.cgroup.pids())
        if self.has_children or not self.is_subreaper:  # a subreaper loses no descendant
            found.update(descendants(own))
        if found or not self.is_subreaper:
            found.update(marked(self.mark))
        found.discard(own)
        return sorted(found)
