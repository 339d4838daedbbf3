"""Copy model directories, sharing blocks instead of copying bytes if the file system can."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import stat
from pathlib import Path

_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
_PIECE = 16 << 20  # bytes copied by one call
_FEW = 64  # up to so many files are synced one by one
# The kernel or the file system does not support copying this.
_NOT_ABLE = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})


def copy_model(source: Path, target: Path) -> None:
    """Copy a directory tree and sync it to disk; keep links, skip pipes, sockets and devices.

    On Btrfs, XFS and similar file systems a copy shares its blocks with the original (reflink,
    ioctl FICLONE), so it takes no time or space until one of the two is written to. Elsewhere the
    bytes are copied, and holes stay holes. Hard links are not used: a script that writes to its
    model again would change the copy. A link to a target inside the tree points to the copy of
    the target; any other link keeps its target.
    """
    shutil.copytree(source, target, symlinks=True, ignore=_special_files, copy_function=_copy_file)
    root = source.absolute()
    written: list[Path] = []
    for folder, inner, names in os.walk(target, topdown=False):
        for path in [Path(folder, name) for name in (*names, *inner)]:
            if path.is_symlink():
                _lead(path, root / path.relative_to(target), root)
            elif not path.is_dir():
                written.append(path)
        written.append(Path(folder))
    _put_on_disk(target, written)


def _put_on_disk(root: Path, written: list[Path]) -> None:
    """Sync files to disk, many of them by one call: syncing one file takes milliseconds."""
    if len(written) <= _FEW or not _sync_file_system(root):
        for path in written:
            _sync(path)


def _sync_file_system(root: Path) -> bool:
    """Sync the file system of `root` or raise OSError; return False without syncfs."""
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return False
    descriptor = os.open(root, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if syncfs(descriptor):
            code = ctypes.get_errno()
            if code == errno.ENOSYS:
                return False
            raise OSError(code, os.strerror(code), str(root))
    finally:
        os.close(descriptor)
    return True


def _lead(copy: Path, link: Path, root: Path) -> None:
    """Give the copy of a link below `root` the right target."""
    goal = Path(os.path.normpath(link.parent / link.readlink()))
    wanted = os.path.relpath(goal, link.parent) if goal.is_relative_to(root) else str(goal)
    if wanted != str(copy.readlink()):
        copy.unlink()
        copy.symlink_to(wanted)


def remove_tree(path: Path) -> None:
    """Remove a directory with read-only ones in it; a link or a file at `path` itself."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    make_writable(path)
    for folder, inner, _ in os.walk(path):
        for name in inner:
            make_writable(Path(folder, name))
    shutil.rmtree(path)


def make_writable(folder: Path) -> None:
    """Let the owner list and change a directory; ignore links."""
    mode = folder.lstat().st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
        with contextlib.suppress(PermissionError):  # of another user: later steps report it
            folder.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)


def _copy_file(source: str, target: str) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(source, flags), "rb") as file, Path(target).open("xb") as copy:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "no longer a regular file", source)
        if not _clone(file.fileno(), copy.fileno()):
            _copy_data(file.fileno(), copy.fileno())
    shutil.copystat(source, target, follow_symlinks=False)


def _clone(source: int, target: int) -> bool:
    """Make `target` share the blocks of `source`; return False if that is unsupported."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _copy_data(source: int, target: int) -> None:
    """Copy the bytes of a file; holes stay holes."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
            end = os.lseek(source, at, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            end = size  # this file system does not support holes
        while at < end:
            copied = _copy_piece(source, target, at, min(_PIECE, end - at))
            if not copied:  # the script has truncated the file meanwhile
                return
            at += copied


def _copy_piece(source: int, target: int, at: int, count: int) -> int:
    """Copy up to `count` bytes and return how many were copied."""
    try:
        return os.copy_file_range(source, target, count, at, at)
    except OSError as error:
        if error.errno not in _NOT_ABLE:
            raise
    return os.pwrite(target, os.pread(source, count, at), at)


def _special_files(folder: str, names: list[str]) -> list[str]:
    def is_special(name: str) -> bool:
        mode = os.lstat(Path(folder, name)).st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))

    return [name for name in names if is_special(name)]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
