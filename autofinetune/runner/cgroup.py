"""Control groups of a trial, where they can be created: no process in them can hide."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

_PROCS = "cgroup.procs"
_COUNTERS = ("memory.events", "memory.oom_control")  # of version 2 and of version 1


class Cgroup:
    """The groups of one trial; every method ignores errors of the kernel.

    Args:
        paths: a version 2 group, which can be killed as a whole, a version 1 memory group, which
            counts processes killed because memory ran out, or both.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = list(paths)

    def make(self) -> None:
        """Create the groups, and drop those that the kernel or our permissions do not allow."""
        self.paths = [path for path in self.paths if _made(path)]

    def move(self, pids: Iterable[int]) -> None:
        """Move processes in; their children start inside.

        A process that has left our groups for another one, perhaps with limits, stays there.
        """
        for path in self.paths:
            for pid in _pids(os.path.dirname(path)).intersection(pids):
                _write(os.path.join(path, _PROCS), str(pid))

    def pids(self) -> list[int]:
        """Return the pids of all processes inside."""
        return sorted(set().union(*map(_pids, self.paths)))

    def kill(self) -> None:
        """Send SIGKILL to all processes inside at once, including running forks (Linux 5.14)."""
        for path in self.paths:
            _write(os.path.join(path, "cgroup.kill"), "1")

    def remove(self) -> None:
        """Remove the groups that are empty."""
        for path in self.paths:
            try:
                os.rmdir(path)
            except OSError:
                pass


def planned_cgroup(mark: str) -> Cgroup:
    """Return groups below our own for the attempt with this mark, not yet created."""
    return Cgroup(os.path.join(own, _name(mark)) for own in own_groups())


def recorded_cgroup(mark: str, paths: object) -> Cgroup:
    """Return the groups created for this mark, as read from a file that others may have written.

    Only paths that a runner can have created are accepted: named after the mark, below a mount
    point of groups, and without links.
    """
    named = paths if isinstance(paths, list) else []
    try:
        mounts = [os.path.join(place, "") for place in _mount_points().values()]
    except OSError:
        mounts = []
    return Cgroup(p for p in named if isinstance(p, str) and _may_be_made(p, _name(mark), mounts))


def _may_be_made(path: str, name: str, mounts: list[str]) -> bool:
    return (
        os.path.basename(path) == name
        and any(path.startswith(place) for place in mounts)
        and "\0" not in path
        and os.path.realpath(path) == path
    )


def _pids(path: str) -> set[int]:
    try:
        with open(os.path.join(path, _PROCS), encoding="ascii") as file:
            return {int(line) for line in file}
    except OSError:
        return set()


def _made(path: str) -> bool:
    try:
        os.mkdir(path)
    except OSError:
        return False
    return True


def _name(mark: str) -> str:
    return f"autofinetune-{mark.replace('/', '-')}"


def oom_counter(group: Cgroup) -> Callable[[], int]:
    """Return a counter of out-of-memory kills, as close to the trial as the kernel has one.

    That is its own group, else the group that it shares with others, else the whole machine. The
    count is 0 without any counter.
    """
    for path in _nearest_first(group):
        for name in _COUNTERS:
            counter = os.path.join(path, name)
            if _count(counter) is not None:
                return lambda: _count(counter) or 0
    return machine_oom_kills


def machine_oom_kills() -> int:
    """Return the number of out-of-memory kills on the whole machine."""
    return _count("/proc/vmstat") or 0


def _nearest_first(group: Cgroup) -> Iterator[str]:
    yield from group.paths
    yield from own_groups()  # last, because they take a while to find


def _count(path: str) -> int | None:
    """Return the number after `oom_kill` in a file of names and numbers, or None."""
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None


def own_groups() -> list[str]:
    """Return our version 2 group and our version 1 memory group, as far as mounted."""
    try:
        mounts = _mount_points()
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    return [
        os.path.join(mounts[controllers], path.lstrip("/"))
        for _, controllers, path in lines
        if controllers in mounts
    ]


def _mount_points() -> dict[str, str]:
    """Return mount points by their name in /proc/self/cgroup: `memory`, or empty for version 2."""
    found = {}
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            _, place, kind, options = line.split()[:4]
            if kind == "cgroup2":
                found[""] = place
            elif kind == "cgroup" and "memory" in options.split(","):
                found["memory"] = place
    return found


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError:
        pass
