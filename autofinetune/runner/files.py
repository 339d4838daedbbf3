"""Locks and whole files."""

from __future__ import annotations

import fcntl
import json
import os
from typing import Any

SPEC, LOCK, STARTED, EXIT = "spec.json", "lock", "started.json", "exit.json"


def try_lock(path: str) -> int | None:
    """Take the lock file without waiting; the descriptor, or None when somebody holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
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
