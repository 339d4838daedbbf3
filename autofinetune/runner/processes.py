"""Information about processes, and signals that never reach the wrong one."""

from __future__ import annotations

import functools
import os
import resource
import signal
import time
from collections.abc import Iterable

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing it takes a sixth of a runner's start
    from typing import Any

MARK_VARIABLE = "AUTOFINETUNE_MARK"
_LIMIT_NAME = b"Max realtime timeout"
_FIRST_NUMBER = 2**61
MOVED_VARIABLE = "AUTOFINETUNE_ATTEMPT_DIR"  # the attempt's directory, also when it was moved
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


@functools.cache
def boot_id() -> str:
    """Return the kernel's id of this boot; pids from another boot are meaningless."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def start_time(pid: int) -> int | None:
    """Return when `pid` started, in clock ticks since boot, or None if it does not live."""
    found = _stat(pid)
    return None if found is None else found[1]


def identity(pid: int) -> dict[str, Any]:
    """Return what identifies this process, even after its pid is reused."""
    return {"pid": pid, "start_time": start_time(pid), "boot_id": boot_id()}


def is_alive(who: dict[str, Any]) -> bool:
    """Whether the process described by `identity` lives (a zombie does not)."""
    found = start_time(who["pid"])
    return found is not None and [found, boot_id()] == [who["start_time"], who["boot_id"]]


def descendants(root: int) -> list[int]:
    """Return the living processes below `root`, at any depth."""
    return trees([root])[root][1:]


def trees(roots: Iterable[int]) -> dict[int, list[int]]:
    """Return each root with the living processes below it, at any depth."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        found = _stat(pid)
        if found is not None:
            children.setdefault(found[0], []).append(pid)
    below = {root: [root] for root in roots}
    for tree in below.values():
        for pid in tree:  # it grows meanwhile
            tree += children.get(pid, ())
    return below


def lineage(pid: int) -> list[int]:
    """Return a living process and its visible ancestors; empty for a dead one."""
    line: list[int] = []
    while pid and (found := _stat(pid)) is not None:
        line.append(pid)
        pid = found[0]
    return line


def age(pid: int) -> float:
    """Return the seconds since a living process started, without suspension of the machine."""
    began = start_time(pid)
    if began is None:
        return 0.0
    return max(0.0, time.monotonic() - began / os.sysconf("SC_CLK_TCK"))


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal or a debugger."""
    return _read(pid, "stat").rpartition(b")")[2].strip()[:1] in (b"T", b"t")


def is_paused(pid: int) -> bool:
    """Whether a process and all its descendants are stopped, as by a user who needs the machine.

    A process without living descendants does not count as paused: nothing would continue it.
    """
    below = descendants(pid)
    return bool(below) and all(map(is_stopped, [pid, *below]))


def carry(mark: str) -> None:
    """Mark this process and all that it will start, not only by their environment.

    A child may change its environment, close its descriptors, start a session and lose its
    parent, but it keeps its resource limits. The one used here affects realtime processes, and is
    too large ever to be reached. If that limit is already set, it stays.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    if hard == resource.RLIM_INFINITY and (soft == hard or soft >= _FIRST_NUMBER):
        resource.setrlimit(resource.RLIMIT_RTTIME, (_number(mark), hard))


def _number(mark: str) -> int:
    """Return the FNV-1a hash of a mark, as microseconds of more than 70,000 years."""
    number = 0xCBF29CE484222325
    for byte in mark.encode():
        number = (number ^ byte) * 0x100000001B3 % 2**64
    return _FIRST_NUMBER + number % _FIRST_NUMBER


def marked(*marks: str) -> list[int]:
    """Return the living processes that carry one of these marks, without this one."""
    own = os.getpid()
    return [pid for pid in _all_pids() if pid != own and has_mark(pid, *marks)]


def has_mark(pid: int, *marks: str) -> bool:
    """Whether this process lives and carries one of these marks.

    The mark is in its environment or in an inherited resource limit; see `carry`.
    """
    words = {f"{MARK_VARIABLE}={mark}".encode() for mark in marks}
    numbers = {_number(mark) for mark in marks}
    is_marked = _limit(pid) in numbers or not words.isdisjoint(_environment(pid))
    return is_marked and _stat(pid) is not None


def of_run(run: str) -> list[int]:
    """Return the living processes of all attempts of this run."""
    wanted = f"{MARK_VARIABLE}={run}/".encode()
    mine = (pid for pid in _all_pids() if any(w.startswith(wanted) for w in _environment(pid)))
    return [pid for pid in mine if _stat(pid) is not None]


def _environment(pid: int) -> list[bytes]:
    return _read(pid, "environ").split(b"\0")


def _limit(pid: int) -> int | None:
    for line in _read(pid, "limits").splitlines():
        if line.startswith(_LIMIT_NAME):
            value = line.removeprefix(_LIMIT_NAME).split()[0]
            return int(value) if value.isdigit() else None
    return None


def holders(path: str) -> list[int]:
    """Return the living processes that have this file open, as far as we may inspect them."""
    try:
        wanted = os.stat(path, follow_symlinks=False)
    except OSError:
        return []
    return [pid for pid in _all_pids() if pid != os.getpid() and _has_open(pid, wanted)]


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    try:
        return any(
            os.path.samestat(os.stat(f"/proc/{pid}/fd/{name}"), wanted)
            for name in os.listdir(f"/proc/{pid}/fd")
        )
    except OSError:  # gone meanwhile, or another user's
        return False


def name_of(pid: int) -> str:
    """Return the name of a process, or a question mark."""
    text = _read(pid, "comm").decode(errors="replace").strip()
    return "".join(c for c in text if c.isprintable()) or "?"


class Remains:
    """The processes that carry a mark, until they are gone.

    An exiting process loses its environment, and so its mark, shortly before it is gone.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._seen: list[dict[str, Any]] = []

    def living(self, others: Iterable[int] = ()) -> list[int]:
        """Return those marked now, `others`, and those of the last call that still live."""
        found = {*marked(self._mark), *others}
        found.update(who["pid"] for who in self._seen if is_alive(who))
        self._seen = [identity(pid) for pid in found]
        return sorted(found)


def send_to(pids: Iterable[int], signum: int) -> None:
    """Signal each process through a pidfd, so that a reused pid is left alone."""
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


def become_subreaper() -> bool:
    """Adopt orphaned descendants as children; return False without a C library."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent(signum: int) -> None:
    """Receive this signal when our parent dies; 0 turns that off."""
    _prctl(_PR_SET_PDEATHSIG, signum)


def _prctl(option: int, value: int) -> bool:
    try:
        return bool(_libc().prctl(option, value, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


@functools.cache
def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None)


def _stat(pid: int) -> tuple[int, int] | None:
    """Return the parent's pid and the start time of a living process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # gone, or hidden from us
        return None
    return None if fields[0] in (b"Z", b"X") else (int(fields[1]), int(fields[19]))


def _read(pid: int, name: str) -> bytes:
    """Read a file of /proc about a process; empty if it is gone or belongs to another user."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
