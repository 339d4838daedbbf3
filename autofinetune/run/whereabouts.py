"""Where an output directory lies: moved, it is the same run; a copy of it is another one."""

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

MOVED = "moved"  # why an attempt that failed does not count: its files were taken from under it
_IDENTITY = ("device", "inode")


def own_name(paths: RunPaths, state: State) -> str:
    """The name of the run in this directory: a new one where it is a copy of another.

    Processes are found by the name of their run, and those of the original are not the copy's.

    Raises:
        DirectoryBusy: it came from another disk, and trials that it began there still run.
    """
    recorded, here = state.where, paths.where
    if not recorded:  # by an earlier version
        return state.run if _is_held(paths, state) else new_name()
    if all(recorded.get(key) == here.get(key) for key in _IDENTITY):
        return state.run
    pids = [] if _lies_at(recorded) else of_run(state.run)
    if pids:
        numbers = " ".join(map(str, pids))
        raise DirectoryBusy(
            f"{paths.root} was brought from elsewhere, and trials that the run began there go on "
            f"(processes {numbers})",
            f"wait for their end, or end them: kill {numbers}",
        )
    return new_name()


def new_name() -> str:
    """A name that no other run has."""
    return secrets.token_hex(8)


def _is_held(paths: RunPaths, state: State) -> bool:
    """Whether something holds the lock of an attempt here, as a copy's are held by nobody."""
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
    """Whether the directory that was recorded lies where it was."""
    try:
        found = Path(str(recorded.get("path"))).lstat()
    except (OSError, ValueError):
        return False
    return [found.st_dev, found.st_ino] == [recorded.get(key) for key in _IDENTITY]


class Whereabouts:
    """Sees that the directory was moved, and leads trials that run there from where it was.

    They write to their files by the names with which they were started, so that a link from the
    old name to the new one is left until they are over.

    Args:
        paths: of the open directory.
        notice: takes a sentence for the person at the console.
    """

    def __init__(self, paths: RunPaths, notice: Callable[[str], None]) -> None:
        self._paths = paths
        self._notice = notice
        self._at = str(paths.root.absolute())
        self._led: dict[Path, set[Key]] = {}
        self.moved: set[Key] = set()  # attempts that were started elsewhere

    def began_at(self, path: object) -> None:
        """It lay there when it was looked at last."""
        if isinstance(path, str) and path.startswith("/"):
            self._at = path

    def look(self, running: Collection[Key]) -> None:
        """Look whether it was moved meanwhile; `running` are the attempts that go on."""
        now = str(self._paths.root.absolute())
        if now != self._at and self._paths.place.is_there() and os.path.lexists(now):
            self._notice(f"the output directory was moved from {self._at}: going on in {now}")
            self.moved.update(running)
            if running:
                self._lead(Path(self._at), now, running)
            self._at = now
        for link in [link for link, keys in self._led.items() if keys.isdisjoint(running)]:
            del self._led[link]
            with contextlib.suppress(OSError):
                if link.is_symlink():
                    link.unlink()

    def _lead(self, link: Path, now: str, running: Collection[Key]) -> None:
        with contextlib.suppress(OSError):  # something else lies there by now
            link.symlink_to(now)
            self._led[link] = set(running)
