"""The directory of an attempt, held open because it or a parent may be moved meanwhile."""

from __future__ import annotations

import os

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LEVELS = 3  # trials/7/attempt-1 in the output directory


class Home:
    """An attempt's directory, and the output directory that contains it.

    Raises:
        OSError: it does not exist, or is a link.
    """

    def __init__(self, directory: str) -> None:
        names: list[str] = []
        top = os.path.abspath(directory)
        while len(names) < _LEVELS:
            top, name = os.path.split(top)
            names.insert(0, name)
        self._names = [os.path.join(*names[: count + 1]) for count in range(_LEVELS)]
        self._top = os.open(top, _FOLDER)
        self._own = os.open(directory, _FOLDER | os.O_NOFOLLOW)

    @property
    def path(self) -> str:
        """A path that leads to the directory, wherever it is now."""
        return f"/proc/self/fd/{self._own}"

    def is_in_place(self) -> bool:
        """Whether it is still at its place in the output directory."""
        try:
            there = os.stat(self._names[-1], dir_fd=self._top, follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._own))

    def is_forgotten(self) -> bool:
        """Whether the output directory was deleted."""
        return os.fstat(self._top).st_nlink == 0

    def bring_back(self) -> None:
        """Create it again at its place; anything that the script put there is renamed.

        Raises:
            OSError: there is no space for it, or the output directory was deleted.
        """
        for name in self._names:
            try:
                if name == self._names[-1]:
                    aside = f"{name}.{os.getpid()}.moved"
                    os.rename(name, aside, src_dir_fd=self._top, dst_dir_fd=self._top)
            except FileNotFoundError:
                pass
            try:
                os.mkdir(name, 0o700, dir_fd=self._top)
            except FileExistsError:
                pass
        fresh = os.open(self._names[-1], _FOLDER | os.O_NOFOLLOW, dir_fd=self._top)
        os.dup2(fresh, self._own, inheritable=False)
        os.close(fresh)
