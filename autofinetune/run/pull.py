"""Bring a run back from a store into a directory, verified, and again from where it stopped.

The store may be anybody's: names and sizes are those of a sound manifest, each part must have the
checksum that names it, and no link is followed or made. What is complete moves into its place at
the end, the journal last, so that a directory holds a whole run or none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.run.directories import locked, refuse_used_directory
from autofinetune.store.contents import PART, PARTS, Contents, Stored, newest
from autofinetune.store.copying import remove_tree
from autofinetune.store.directory import Place
from autofinetune.store.paths import RunPaths, opened_run
from autofinetune.store.remote import Remote, StoreFailed
from autofinetune.store.standing import bytes_of

T = TypeVar("T")
TRIES = 6
_STAGING = ".pull"
_LAST = "run.db"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_AGAIN = "what is here already is kept: run the same command again to continue"


@dataclass(frozen=True)
class Pulled:
    """What was brought: the contents, and how many bytes of them were new."""

    contents: Contents
    fetched: int


def pull(
    url: str,
    connect: Callable[[], Remote],
    directory: Path,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Pulled:
    """Bring the run at `url` into `directory`, which must hold no run.

    Raise UsageError if the store holds no run or the directory is used, EnvironmentProblem if the
    store fails again and again, or the disk is full.
    """
    with opened_run(directory.absolute()) as paths:
        _refuse_used(paths)
    puller = _Puller(url, connect, sleep)
    puller.look()
    with locked(directory.absolute()) as paths:
        _refuse_used(paths)
        try:
            return puller.bring(paths)
        except OSError as error:
            why = f"{directory} cannot be written: {error.strerror or error}"
            raise EnvironmentProblem(why, _AGAIN) from None


def _refuse_used(paths: RunPaths) -> None:
    """Raise UsageError unless the directory is new, or was being filled from a store."""
    is_begun = paths.place_of(paths.root / _STAGING).is_there()
    if not is_begun or os.path.lexists(paths.root / _LAST):
        refuse_used_directory(paths)


class _Puller:
    def __init__(
        self, url: str, connect: Callable[[], Remote], sleep: Callable[[float], None]
    ) -> None:
        self._url = url
        self._connect = connect
        self._sleep = sleep
        self._remote: Remote | None = None
        self._contents = Contents("", 0.0, {})
        self._fetched = 0

    def look(self) -> None:
        """Read the newest manifest."""
        _, found = self._insist(newest)
        if found is None or _LAST not in found.files:
            raise UsageError(
                f"{self._url} holds no run of autofinetune",
                "give the URL that --store had; `autofinetune status` of the run shows it",
            )
        self._contents = found

    def bring(self, paths: RunPaths) -> Pulled:
        for _ in range(TRIES):
            try:
                self._fetch_all(paths)
                break
            except FileNotFoundError:  # a newer manifest has replaced this one meanwhile
                self.look()
        else:
            raise EnvironmentProblem(f"{self._url} lacks parts of the run that it names", _AGAIN)
        self._put_in_place(paths)
        return Pulled(self._contents, self._fetched)

    def _fetch_all(self, paths: RunPaths) -> None:
        staging = paths.place_of(paths.root / _STAGING)
        with staging.opened(create=True, mode=0o700) as here:
            wanted = {_key(one) for one in self._contents.files.values()}
            for path in here.iterdir():
                if path.name not in wanted:
                    remove_tree(path)
            missing = self._contents.size - sum(path.lstat().st_size for path in here.iterdir())
            free = shutil.disk_usage(here).free
            if missing > free:
                raise EnvironmentProblem(
                    f"the run needs {bytes_of(missing)} more, and {bytes_of(free)} are free",
                    "free disk space, or choose a directory on another disk",
                )
            for one in self._contents.files.values():
                self._fetch(one, here / _key(one))

    def _fetch(self, stored: Stored, target: Path) -> None:
        """Complete a file; parts that are there already are checked, not fetched."""
        descriptor = os.open(target, _FLAGS, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            for index, digest in enumerate(stored.parts):
                size = stored.size_of(index)
                file.seek(index * PART)
                if hashlib.sha256(file.read(size)).hexdigest() != digest:
                    data = self._part(digest, size)
                    file.seek(index * PART)
                    file.write(data)
                    file.flush()
                    self._fetched += size
            file.truncate(stored.size)
            os.fsync(file.fileno())

    def _part(self, digest: str, size: int) -> bytes:
        def ask(remote: Remote) -> bytes:
            try:
                data = remote.get(f"{PARTS}/{digest}", size)
            except ValueError as error:
                raise StoreFailed(str(error)) from None
            if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
                raise StoreFailed(f"{PARTS}/{digest[:12]}... is not what its checksum says")
            return data

        return self._insist(ask)

    def _insist(self, ask: Callable[[Remote], T]) -> T:
        """Ask the store, and ask again, with pauses, when it fails."""
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                self._sleep(2.0 ** (attempt - 1))
            try:
                if self._remote is None:
                    self._remote = self._connect()
                return ask(self._remote)
            except StoreFailed as error:
                problem = str(error)
        raise EnvironmentProblem(f"{self._url} fails: {problem}", _AGAIN)

    def _put_in_place(self, paths: RunPaths) -> None:
        names = sorted(self._contents.files, key=lambda name: (name == _LAST, name))
        staging = paths.place_of(paths.root / _STAGING)
        with staging.opened() as source, paths.place.opened() as root:
            copies: dict[str, str] = {}
            for name in names:
                key = _key(self._contents.files[name])
                folder, _, last = name.rpartition("/")
                with Place(root, folder).opened(create=True) as target:
                    if key in copies:  # two files with the same content
                        shutil.copyfile(copies[key], target / last)
                    else:
                        (source / key).rename(target / last)
                    copies[key] = str(root / name)
        with paths.place.opened() as here, contextlib.suppress(OSError):
            remove_tree(here / _STAGING)


def _key(stored: Stored) -> str:
    """Return the name of a file before it is complete, the same for the same content."""
    return hashlib.sha256(" ".join(stored.parts).encode()).hexdigest()
