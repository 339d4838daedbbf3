"""One run at a time on a card, among all runs that name the same directory of leases.

A lease is a locked file. Every trial inherits it, so it is held until the run has ended and
nothing of its trials lives, however they ended.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from autofinetune.errors import EnvironmentProblem


class Leases:
    """The leases that this process holds.

    Args:
        directory: made when it is missing, for all users; with an empty text there are no leases
            and every device is free.

    Raises:
        EnvironmentProblem: the directory cannot be made.
    """

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory) if directory else None
        self._held: dict[str, int] = {}
        if self._directory is not None:
            try:
                self._directory.mkdir(parents=True)
                self._directory.chmod(0o1777)  # others may add leases, and not remove ours
            except FileExistsError:
                pass
            except OSError as error:
                raise EnvironmentProblem(
                    f"--lease_dir={directory} cannot be made: {error.strerror}",
                    "name a directory that every user of the cards may write to",
                ) from None

    def take(self, device: str) -> str:
        """Take the lease of a device, or keep it; why that is not possible now, or nothing."""
        if self._directory is None or not device or device in self._held:
            return ""
        path = self._directory / f"{re.sub('[^0-9A-Za-z-]', '_', device)}.lock"
        try:
            descriptor = _open(path)
        except OSError as error:
            return f"the lease {path} cannot be opened: {error.strerror}"
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return f"another run uses the card: it holds {path}"
        self._held[device] = descriptor
        return ""

    def descriptors(self, device: str) -> tuple[int, ...]:
        """What a trial on the device must inherit."""
        return (self._held[device],) if device in self._held else ()

    def close(self) -> None:
        """Give up our part of each lease."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()


def _open(path: Path) -> int:
    """A file for locking; in a directory for all users the kernel forbids O_CREAT on others'."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        pass
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return os.open(path, flags)
