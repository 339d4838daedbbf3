"""Locks and atomic writes."""

from __future__ import annotations

import fcntl
import json
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing it takes a sixth of a runner's start
    from typing import Any

SPEC, LOCK, STARTED, EXIT = "spec.json", "lock", "started.json", "exit.json"
REPORTS = "reports.jsonl"
STOP = "stop"  # if this file exists, the script is asked to stop


def try_lock(path: str) -> int | None:
    """Take the lock file without waiting; return its descriptor, or None if it is held."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def write_atomically(path: str, record: dict[str, Any], *, durable: bool) -> None:
    """Write JSON so that the file is absent or complete; if `durable`, also after a power cut.

    What else a script may have put at that name or the temporary one is removed or renamed.
    """
    partial = f"{path}.tmp"
    _make_room(partial, keep_file=False)
    _make_room(path, keep_file=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(partial, flags, 0o600)
    try:
        data = json.dumps(record).encode()
        if os.write(descriptor, data) != len(data):
            raise OSError(28, os.strerror(28), partial)
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


def _make_room(path: str, *, keep_file: bool) -> None:
    """Remove or rename what is at `path`, except, if wanted, a file that a rename replaces."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        os.rename(path, f"{path}.{os.getpid()}.moved")
    elif not keep_file:
        os.unlink(path)
