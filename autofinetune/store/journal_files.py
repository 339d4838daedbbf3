"""The files of a journal, reached from the descriptor of their directory, which may be moved."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from autofinetune.errors import EnvironmentProblem

_BESIDE = ("", "-wal", "-shm", "-journal")
_LONGEST_PATH = 490  # bytes: SQLite allows 512, including the suffixes of its other files


class JournalFiles:
    """A database and the files that SQLite has beside it; OSError if there is no directory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._seen: os.stat_result | None = None

    @property
    def path(self) -> Path:
        """A path of the database that stays valid if its directory is moved."""
        return Path(f"/proc/self/fd/{self._folder}", self._path.name)

    def create(self, name: str = "") -> None:
        """Create an empty file, by default the database, unless it exists."""
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(name or self._path.name, flags, 0o600, dir_fd=self._folder))

    def _stat(self, name: str) -> os.stat_result:
        return os.stat(name, dir_fd=self._folder, follow_symlinks=False)

    def refuse_links(self) -> None:
        """Refuse links, because SQLite opens its files by name and follows links."""
        for name in (self._path.name + end for end in _BESIDE):
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISREG(self._stat(name).st_mode):
                    raise EnvironmentProblem(
                        f"{self._path.with_name(name)} is a link or not a regular file",
                        "restore the original file",
                    )

    def why_not_opened(self) -> OSError | None:
        """Return a cause that SQLite does not report, or None."""
        path = os.fsencode(self._path.absolute())
        if len(path) > _LONGEST_PATH:
            return OSError(
                f"its path has {len(path)} bytes, and SQLite allows {_LONGEST_PATH}; "
                "choose a shorter --output_dir"
            )
        with contextlib.ExitStack() as stack:
            try:
                for _ in _BESIDE:
                    stack.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                return error
        return None

    # --- a database that others delete or replace -----------------------------------------------

    def remember(self) -> None:
        """Remember which file the database is."""
        self._seen = self._stat(self._path.name)

    def is_in_place(self) -> bool:
        """Return whether the remembered database is in its place, or False if it was deleted.

        Raise EnvironmentProblem if another file is there, or the directory was deleted.
        """
        assert self._seen is not None
        with contextlib.suppress(FileNotFoundError):
            if not os.path.samestat(self._stat(self._path.name), self._seen):
                raise EnvironmentProblem(
                    f"the journal {self._path} was replaced by another file",
                    "running trials continue; their reports are read when the run is resumed",
                )
            return True
        if os.fstat(self._folder).st_nlink == 0:
            raise deleted(self._path.parent)
        return False

    def begin_copy(self) -> Path:
        """Return the path of an empty file for the content of a deleted database."""
        partial = f"{self._path.name}.new"
        # SQLite's other files belong to the deleted one.
        for name in (*(self._path.name + end for end in _BESIDE[1:]), partial):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._folder)
        self.create(partial)
        return self.path.with_name(partial)

    def end_copy(self) -> None:
        """Put the complete copy in the place of the database."""
        name = self._path.name
        os.rename(f"{name}.new", name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def close(self) -> None:
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)


def deleted(directory: Path) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"the output directory {directory} was deleted during the run",
        "the run cannot be resumed; start a new one",
    )
