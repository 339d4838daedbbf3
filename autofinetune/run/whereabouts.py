"""Detect whether an output directory was moved (the same run) or copied (another run)."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from autofinetune.core.state import State
from autofinetune.errors import DirectoryBusy
from autofinetune.executors import Key
from autofinetune.runner.files import LOCK, try_lock
from autofinetune.runner.processes import of_run
from autofinetune.store.paths import RunPaths

MOVED = "moved"  # why a failed attempt does not count: its files were moved away
_IDENTITY = ("device", "inode")


def own_name(paths: RunPaths, state: State) -> str:
    """Return the name of the run in this directory; a copy of a run gets a new name.

    Processes are found by the name of their run, and a copy must not find those of the original.
    Raise DirectoryBusy if it came from another disk, and trials started there still run.
    """
    recorded, here = state.where, paths.where
    if not recorded:  # recorded by an earlier version
        return state.run if _is_held(paths, state) else new_name()
    # The machines of a cluster may have different numbers for the device of a shared directory.
    is_there = any(recorded.get(key) == here.get(key) for key in ("device", "path"))
    if is_there and recorded.get("inode") == here.get("inode"):
        return state.run
    pids = [] if _lies_at(recorded) else of_run(state.run)
    if pids:
        numbers = " ".join(map(str, pids))
        raise DirectoryBusy(
            f"{paths.root} was moved or copied from elsewhere, and trials that were started there "
            f"are still running (processes {numbers})",
            f"wait until they finish, or stop them: kill {numbers}",
        )
    return new_name()


def new_name() -> str:
    """Return a name that no other run has."""
    return secrets.token_hex(8)


def _is_held(paths: RunPaths, state: State) -> bool:
    """Return whether the lock of an attempt is held here; in a copy none is."""
    for trial in sorted(state.running):
        directory = paths.attempt_dir(trial, state.trials[trial].attempt)
        with contextlib.suppress(OSError), paths.place_of(directory).opened() as there:
            if (there / LOCK).exists():
                lock = try_lock(str(there / LOCK))
                if lock is None:
                    return True
                os.close(lock)
    return False


def _lies_at(recorded: Any) -> bool:
    """Return whether the recorded directory is still in its place."""
    try:
        found = Path(str(recorded.get("path"))).lstat()
    except (OSError, ValueError):
        return False
    return [found.st_dev, found.st_ino] == [recorded.get(key) for key in _IDENTITY]


class Whereabouts:
    """Notices that the directory was moved, and keeps the old path working for running trials.

    Trials write to the paths with which they were started, so a link from the old path to the new
    one stays until they finish.
    """

    def __init__(self, paths: RunPaths, notice: Callable[[str], None]) -> None:
        self._paths = paths
        self._notice = notice
        self._at = str(paths.root.absolute())
        self._led: dict[Path, set[Key]] = {}
        self.moved: set[Key] = set()  # attempts that were started elsewhere

    def began_at(self, path: object) -> None:
        """Set the path at which the directory was last seen."""
        if isinstance(path, str) and path.startswith("/"):
            self._at = path

    def look(self, running: Collection[Key]) -> None:
        """Check whether the directory was moved; `running` are the running attempts."""
        now = str(self._paths.root.absolute())
        if now != self._at and self._paths.place.is_there() and os.path.lexists(now):
            self._notice(f"the output directory was moved from {self._at}; continuing in {now}")
            self.moved.update(running)
            if running:
                with contextlib.suppress(OSError):  # something else is there by now
                    Path(self._at).symlink_to(now)
                    self._led[Path(self._at)] = set(running)
            self._at = now
        for link in [link for link, keys in self._led.items() if keys.isdisjoint(running)]:
            del self._led[link]
            with contextlib.suppress(OSError):
                if link.is_symlink():
                    link.unlink()
