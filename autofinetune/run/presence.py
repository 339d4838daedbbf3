"""Find out whether a tuner is running in an output directory."""

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
    """Record the owner of the lock in its open file."""
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    who = f"pid {os.getpid()} on {os.uname().nodename} since {since}"
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{who}\nboot {boot_id()}\n".encode(), 0)


def noted_tuner(lock: Path) -> str:
    """Return a readable description of the lock holder."""
    lines = _read(lock).splitlines()
    return visible(lines[0]) if lines else "unknown process"


def is_tuner_alive(lock: Path) -> bool:
    """Return whether a tuner holds this lock file.

    The check briefly takes a shared lock. /proc/locks is not enough: it lists only the locks of
    visible processes, and on some file systems its device numbers differ from those of `stat`.
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
    """Return the host name of the last tuner if it is another machine, else an empty string.

    Its lock may be invisible here, because not every network file system forwards locks.
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
