"""A control group of the trial's own, where one can be made: nothing in it can get out or hide."""

from __future__ import annotations

import os


class Cgroup:
    """A version 2 control group; every method is silent when the kernel refuses."""

    def __init__(self, path: str) -> None:
        self.path = path

    def add(self, pid: int) -> None:
        """Move a process in; its children are born inside."""
        _write(os.path.join(self.path, "cgroup.procs"), str(pid))

    def pids(self) -> list[int]:
        """Everything that lives inside."""
        try:
            with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as file:
                return [int(line) for line in file]
        except OSError:
            return []

    def kill(self) -> None:
        """SIGKILL to everything inside at once, forks under way included (Linux 5.14)."""
        _write(os.path.join(self.path, "cgroup.kill"), "1")

    def remove(self) -> None:
        """Only an empty group goes away."""
        try:
            os.rmdir(self.path)
        except OSError:
            pass


def make_cgroup(name: str) -> Cgroup | None:
    """A new group below our own, or None where the kernel or our rights do not allow it."""
    own = _own_group()
    if own is None:
        return None
    path = os.path.join(own, name)
    try:
        os.mkdir(path)
    except OSError:
        return None
    return Cgroup(path)


def _own_group() -> str | None:
    try:
        mount = _mount_point()
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            for line in file:
                if mount and line.startswith("0::"):
                    return os.path.join(mount, line[3:].strip().lstrip("/"))
    except OSError:
        pass
    return None


def _mount_point() -> str | None:
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if fields[2] == "cgroup2":
                return fields[1]
    return None


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError:
        pass
