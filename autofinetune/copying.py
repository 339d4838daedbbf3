"""Copies a directory of models without copying the bytes, where the file system can share them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from pathlib import Path

_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)


def copy_model(source: Path, target: Path) -> None:
    """Copy a directory tree and put it on disk: links as links, no pipes, sockets or devices.

    A file shares its blocks with the copy (reflink, ioctl FICLONE) on Btrfs, XFS and the like, so
    that it takes neither time nor space until one of the two is written to. Elsewhere its bytes
    are copied. Never a hard link: a script that writes into its model again would change the copy.
    A link within the tree leads to the copy of its goal, any other one to where it led.
    """
    shutil.copytree(source, target, symlinks=True, ignore=_special_files, copy_function=_copy_file)
    root = source.absolute()
    for folder, inner, names in os.walk(target, topdown=False):
        for path in [Path(folder, name) for name in (*names, *inner)]:
            if path.is_symlink():
                _lead(path, root / path.relative_to(target), root)
            elif not path.is_dir():
                _sync(path)
        _sync(Path(folder))


def _lead(copy: Path, link: Path, root: Path) -> None:
    """Let the copy of a link below `root` lead where the link leads."""
    goal = Path(os.path.normpath(link.parent / link.readlink()))
    wanted = os.path.relpath(goal, link.parent) if goal.is_relative_to(root) else str(goal)
    if wanted != str(copy.readlink()):
        copy.unlink()
        copy.symlink_to(wanted)


def remove_tree(path: Path) -> None:
    """Remove a directory tree of ours, also where directories in it are not to be written.

    A link or a file in its place is removed itself.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    make_writable(path)
    for folder, inner, _ in os.walk(path):
        for name in inner:
            make_writable(Path(folder, name))
    shutil.rmtree(path)


def make_writable(folder: Path) -> None:
    """Let the owner list and change a directory; links are left alone."""
    mode = folder.lstat().st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
        with contextlib.suppress(PermissionError):  # somebody else's: what needs it will say so
            folder.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)


def _copy_file(source: str, target: str) -> None:
    if not _clone(source, target):
        shutil.copyfile(source, target)
    shutil.copystat(source, target)


def _clone(source: str, target: str) -> bool:
    """Make `target` share the blocks of `source`; False where the file system cannot."""
    with Path(source).open("rb") as file, Path(target).open("wb") as copy:
        try:
            fcntl.ioctl(copy, _FICLONE, file.fileno())
        except OSError:
            return False
    return True


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
