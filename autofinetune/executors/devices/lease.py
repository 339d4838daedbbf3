"""Leases, which limit a card to one run at a time among runs with the same `--lease_dir`.

A lease is a locked file. Every trial inherits it, so it is held until the run and all processes
of its trials have ended, no matter how.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from autofinetune.errors import EnvironmentProblem


class Leases:
    """The leases that this process holds.

    `directory` is created for all users, or EnvironmentProblem is raised; if it is empty, there
    are no leases and every device is free.
    """

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory) if directory else None
        self._held: dict[str, int] = {}
        if self._directory is not None:
            try:
                self._directory.mkdir(parents=True)
                self._directory.chmod(0o1777)  # others may add leases, but not remove ours
            except FileExistsError:
                pass
            except OSError as error:
                raise EnvironmentProblem(
                    f"--lease_dir={directory} cannot be created: {error.strerror}",
                    "name a directory that every user of the cards may write to",
                ) from None

    def take(self, devices: Sequence[str]) -> str:
        """Take the leases of all devices, or none; leases already held are kept.

        With only some of them, two runs that each hold one card of a pair would wait forever.
        Return why they cannot be taken now, or an empty string.
        """
        if self._directory is None:
            return ""
        new = [device for device in devices if device not in self._held]
        for device in new:
            obstacle = self._take(device)
            if obstacle:
                for taken in new[: new.index(device)]:
                    os.close(self._held.pop(taken))
                return obstacle
        return ""

    def _take(self, device: str) -> str:
        assert self._directory is not None
        path = self._directory / f"{re.sub('[^0-9A-Za-z-]', '_', device)}.lock"
        try:
            descriptor = _open(path)
        except OSError as error:
            return f"the lease {path} cannot be opened: {error.strerror}"
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return f"{path} is held by another run, or by trials from before `resume`"
        self._held[device] = descriptor
        return ""

    def keep(self, devices: Collection[str]) -> None:
        """Release all leases but those of `devices`; running trials still hold theirs."""
        for device in self._held.keys() - set(devices):
            os.close(self._held.pop(device))

    def descriptors(self, devices: Sequence[str]) -> tuple[int, ...]:
        """Return the descriptors that a trial on the devices must inherit."""
        return tuple(self._held[device] for device in devices if device in self._held)

    def close(self) -> None:
        """Release the leases; running trials still hold theirs."""
        self.keep(())


def _open(path: Path) -> int:
    """Open a file for locking.

    O_CREAT comes last: in a sticky directory the kernel refuses it for files of other users.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        pass
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return os.open(path, flags)
