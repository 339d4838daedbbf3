"""Access to the files of an output directory without following links in it.

A directory is opened by a descriptor, one path component at a time, and its files are accessed
through that descriptor. So it stays the same directory when it is moved, and a link inside it
cannot lead elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from autofinetune.store.copying import remove_tree

TRUST_VARIABLE = "AUTOFINETUNE_TRUST_OUTPUT_DIR"
MOST_BYTES = 64 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Place:
    """A directory: a trusted root, and the path from there, which must not contain links."""

    root: Path
    way: str = ""

    @contextlib.contextmanager
    def opened(self, *, create: bool = False, mode: int = 0o755) -> Iterator[Path]:
        """Open the directory; yield a path to its files that stays valid if it is moved.

        With `create`, missing directories are created with `mode`, and links and files on the
        path replaced. Otherwise raise OSError if a part of the path is not a directory.
        """
        if create:
            self.root.mkdir(0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.root, _FOLDER)
        try:
            for name in self.way.split("/") if self.way else ():
                if name in ("", ".", ".."):
                    raise OSError(errno.EINVAL, "not a directory name", self.way)
                if create:
                    _make(descriptor, name, mode)
                inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def held(self) -> Path:
        """Create the directory and keep it open until this process ends.

        The path that is returned stays valid if it is moved, and can be used by other processes.
        """
        with self.opened(create=True) as here:
            descriptor = os.open(here, _FOLDER)
        return Path(f"/proc/{os.getpid()}/fd/{descriptor}")

    def is_there(self) -> bool:
        """Return whether it is a directory that can be opened without following links."""
        try:
            with self.opened():
                return True
        except OSError:
            return False


def _make(folder: int, name: str, mode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=folder)


def why_not_ours(found: os.stat_result) -> str:
    """Return why other users can change a directory, or an empty string.

    A user's private group, which has the same name, does not count as other users.
    """
    if os.environ.get(TRUST_VARIABLE):
        return ""
    if found.st_uid != os.geteuid():
        return f"it belongs to {_user(found.st_uid)}"
    if found.st_mode & stat.S_IWOTH:
        return "every user may write to it"
    if found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid):
        return "its group may write to it"
    return ""


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def _is_private(gid: int) -> bool:
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def read_file(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file of at most `most` bytes, or raise OSError."""
    with os.fdopen(os.open(path, os.O_RDONLY | _FILE), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"more than {most} bytes", str(path))
    return data


def write_atomically(path: Path, data: bytes | Iterable[bytes], mode: int = 0o666) -> None:
    """Replace a file atomically: readers see the old or the new content, never a part.

    Links at `path` and at the temporary file are replaced, not followed.
    """
    partial = path.with_name(f".{path.name}.tmp")
    remove_tree(partial)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()  # on a full disk, it also takes space
        raise


def appended(path: Path, mode: int = 0o666) -> BinaryIO:
    """Open a regular file for appending, unbuffered; a link or a pipe at `path` is replaced."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _FILE
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            path.unlink()
    return os.fdopen(os.open(path, flags, mode), "ab", buffering=0)


def append_whole(path: Path, data: bytes) -> None:
    """Append all of `data` to a file or nothing, which raises OSError."""
    with appended(path) as file:
        size = file.tell()
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(size)
            raise
