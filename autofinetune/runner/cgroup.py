"""Control groups of the trial's own, where they can be made: nothing in them can hide."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

_PROCS = "cgroup.procs"
_COUNTERS = ("memory.events", "memory.oom_control")  # of version 2 and of version 1


class Cgroup:
    """The groups of one trial; every method is silent when the kernel refuses.

    Args:
        paths: a version 2 group, which can be killed as a whole, a version 1 memory group, which
            counts whom the kernel killed for want of memory, or both.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = list(paths)

    def make(self) -> None:
        """Make them; those that the kernel or our rights do not allow are none of ours."""
        self.paths = [path for path in self.paths if _made(path)]

    def move(self, pids: Iterable[int]) -> None:
        """Move processes in; their children are born inside.

        One that is in none of our own groups has chosen another, with limits perhaps: it stays.
        """
        for path in self.paths:
            for pid in _pids(os.path.dirname(path)).intersection(pids):
                _write(os.path.join(path, _PROCS), str(pid))

    def pids(self) -> list[int]:
        """Everything that lives inside."""
        return sorted(set().union(*map(_pids, self.paths)))

    def kill(self) -> None:
        """SIGKILL to everything inside at once, forks under way included (Linux 5.14)."""
        for path in self.paths:
            _write(os.path.join(path, "cgroup.kill"), "1")

    def remove(self) -> None:
        """Only an empty group goes away."""
        for path in self.paths:
            try:
                os.rmdir(path)
            except OSError:
                pass


def planned_cgroup(mark: str) -> Cgroup:
    """Groups below our own for the attempt with this mark, still to be made."""
    return Cgroup(os.path.join(own, _name(mark)) for own in _own_groups())


def recorded_cgroup(mark: str, paths: object) -> Cgroup:
    """The groups made for this mark, as read from a file that others may have written.

    Only what a runner can have made is taken: a group with the name of the mark, where groups are
    mounted, and reached without a link.
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
    """Counts kills for want of memory as close to the trial as the kernel counts them.

    That is in its own group, else in the group that it shares with others, else in the whole
    machine; 0 where nothing counts.
    """
    for path in _nearest_first(group):
        for name in _COUNTERS:
            counter = os.path.join(path, name)
            if _count(counter) is not None:
                return lambda: _count(counter) or 0
    return machine_oom_kills


def machine_oom_kills() -> int:
    """How often the kernel has killed for want of memory, wherever that was."""
    return _count("/proc/vmstat") or 0


def _nearest_first(group: Cgroup) -> Iterator[str]:
    yield from group.paths
    yield from _own_groups()  # which takes a while to find out


def _count(path: str) -> int | None:
    """The number after `oom_kill` in a file of names and numbers, None where there is none."""
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None


def _own_groups() -> list[str]:
    """The version 2 group and the version 1 memory group that we are in, as far as mounted."""
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
    """Where groups lie, by the name in /proc/self/cgroup: none for version 2, and `memory`."""
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
