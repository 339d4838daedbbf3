"""Facts about processes, and signals that never reach the wrong one."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Iterable

TYPE_CHECKING = False
if TYPE_CHECKING:  # it takes a sixth of the start of a runner
    from typing import Any

MARK_VARIABLE = "AUTOFINETUNE_MARK"
MOVED_VARIABLE = "AUTOFINETUNE_ATTEMPT_DIR"  # the attempt's directory, also when it was moved
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


@functools.cache
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


def lineage(pid: int) -> list[int]:
    """A living process and those above it, up to where they are seen; empty for a dead one."""
    line: list[int] = []
    while pid and (found := _stat(pid)) is not None:
        line.append(pid)
        pid = found[0]
    return line


def marked(mark: str) -> list[int]:
    """Living processes whose environment carries exactly this mark, ourselves left out."""
    own = os.getpid()
    return [pid for pid in _all_pids() if pid != own and has_mark(pid, mark)]


def of_run(run: str) -> list[int]:
    """Living processes of any attempt of this run."""
    wanted = f"{MARK_VARIABLE}={run}/".encode()
    found = []
    for pid in _all_pids():
        if any(word.startswith(wanted) for word in _environment(pid)) and _stat(pid) is not None:
            found.append(pid)
    return found


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:  # gone meanwhile, or another user's
        return []


def has_mark(pid: int, mark: str) -> bool:
    """Whether this process lives and its environment carries exactly this mark."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    return wanted in _environment(pid) and _stat(pid) is not None


class Remains:
    """The processes that carry a mark, until they are gone.

    One that exits loses its environment, and with it the mark, a moment before.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._seen: list[dict[str, Any]] = []

    def living(self, others: Iterable[int] = ()) -> list[int]:
        """Those marked now, `others`, and those of the last look that still exit."""
        found = {*marked(self._mark), *others}
        found.update(who["pid"] for who in self._seen if is_alive(who))
        self._seen = [identity(pid) for pid in found]
        return sorted(found)


def send_to(pids: Iterable[int], signum: int) -> None:
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


def become_subreaper() -> bool:
    """Let orphans below this process become its children; false where the C library is missing."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent(signum: int) -> None:
    """Get this signal when our parent dies, or none again with 0."""
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
    """(parent pid, start time) of a process that lives."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # gone, or not ours to see
        return None
    return None if fields[0] in (b"Z", b"X") else (int(fields[1]), int(fields[19]))


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
