"""Whether a tuner is at work in an output directory, as far as this machine can tell."""

from __future__ import annotations

import fcntl
import os
import re
from datetime import datetime
from pathlib import Path

from autofinetune.runner.processes import boot_id
from autofinetune.store.directory import read_file
from autofinetune.visible import visible

_MOST_BYTES = 4096
_NOTE = re.compile(r"pid \d+ on (\S+) since \S+\nboot (\S+)\n")


def note_tuner(lock: int) -> None:
    """Write into the open lock file who holds it."""
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    who = f"pid {os.getpid()} on {os.uname().nodename} since {since}"
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{who}\nboot {boot_id()}\n".encode(), 0)


def noted_tuner(lock: Path) -> str:
    """Who holds the lock, for people."""
    lines = _read(lock).splitlines()
    return visible(lines[0]) if lines else "unknown process"


def is_tuner_alive(lock: Path) -> bool:
    """Whether a tuner holds this lock file.

    The lock is tried, for a moment and shared: /proc/locks names only those of processes that can
    be seen, and files of some file systems by other numbers than `stat`.
    """
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return False


def host_out_of_sight(lock: Path) -> str:
    """The other machine on which the last tuner was started, or nothing.

    Its lock need not be seen here: not every network file system forwards locks.
    """
    found = _NOTE.fullmatch(_read(lock))
    if found is None or found[2] == boot_id() or found[1] == os.uname().nodename:
        return ""
    return found[1]


def _read(lock: Path) -> str:
    try:
        return read_file(lock, _MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""
