"""Bring the files of a run into a store: only parts that are not there yet, each verified."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from autofinetune.store.contents import (
    FILES,
    PART,
    PARTS,
    TREES,
    Contents,
    Stored,
    encode,
    is_part,
    manifest_name,
    newest,
    numbers,
)
from autofinetune.store.directory import Place
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.remote import Remote, StoreFailed

JOURNAL = "run.db"
MODEL = ("best_model.json", "best_model")  # they belong together
_SNAPSHOT = ".run.db.store"
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Mark = tuple[int, ...]
"""Of a file: while it is the same, so is the content."""


class AnotherRun(Exception):
    """The store holds a run that is not this one."""


class Stopped(Exception):
    """The caller does not want the rest any more."""


class Uploads:
    """One run, whose directory is `root`, and the store that gets it.

    Args:
        is_ours: whether a name of a run is one that this run has or had.
        name: returns the name of the run now.
        goes_on: asked before each part; after False, `Stopped` is raised.
        arrived: called when a part has arrived.
    """

    def __init__(
        self,
        root: Path,
        connect: Callable[[], Remote],
        is_ours: Callable[[str], bool],
        name: Callable[[], str],
        goes_on: Callable[[], bool],
        arrived: Callable[[], None],
    ) -> None:
        self._root = root
        self._connect = connect
        self._is_ours = is_ours
        self._name = name
        self._goes_on = goes_on
        self._arrived = arrived
        self._remote: Remote | None = None
        self._number = 0  # of the manifest
        self._there: set[str] = set()  # parts that were verified
        self._unsure: Mapping[str, int] = {}  # parts that an earlier session may have cut short
        self._marks: dict[str, Mark] = {}
        self._is_littered = False  # by what only older manifests name
        self.contents = Contents("", 0.0, {})

    def bring_up(self) -> None:
        """Upload what has changed: first what is small, then the model.

        Raise StoreFailed if the store does not take it, AnotherRun, or Stopped; OSError or
        EnvironmentProblem if a file cannot be read.
        """
        if self._remote is None:
            self._begin(self._connect())
            assert self._remote is not None
        small = [name for name in (*FILES, *TREES) if name not in MODEL]
        self._bring(self._remote, small)
        before = self._model_marks()
        self._bring(self._remote, MODEL, lambda: self._model_marks() == before)
        # Not before: parts that a killed session has uploaded may be those of this model.
        if self._is_littered and self._model_marks() == before:
            with contextlib.suppress(StoreFailed):  # a key may write and not remove
                self._remove_old(self._remote)

    def waiting(self) -> list[str]:
        """Return the names of files that the store does not have as they are now."""
        now = {name: mark for name, mark, _ in self._found((*FILES, *TREES))}
        if (self._root / JOURNAL).exists():
            now[JOURNAL] = self._journal_mark()
        late = [name for name, mark in now.items() if self._marks.get(name) != mark]
        return late + [name for name in self.contents.files if name not in now]

    def _begin(self, remote: Remote) -> None:
        """Learn what is there, from this session or an earlier one."""
        self._number, found = newest(remote)
        self._check_owner(found)
        self.contents = found or Contents("", 0.0, {})
        self._marks = {}
        self._unsure = remote.names(PARTS)
        stored = self.contents.files.values()
        sizes = {part: one.size_of(i) for one in stored for i, part in enumerate(one.parts)}
        self._there = {part for part in sizes if self._unsure.get(part) == sizes[part]}
        self._remote = remote

    def _check_owner(self, found: Contents | None) -> None:
        if found is not None and not self._is_ours(found.run):
            raise AnotherRun("it holds another run, or a copy of this one that goes on elsewhere")

    def _bring(
        self, remote: Remote, tops: Sequence[str],
        is_still: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        """Upload the files with these top names; publish them if `is_still` is true then."""
        files = {n: s for n, s in self.contents.files.items() if n.partition("/")[0] not in tops}
        marks = {n: m for n, m in self._marks.items() if n.partition("/")[0] not in tops}
        if JOURNAL in tops and (self._root / JOURNAL).exists():
            marks[JOURNAL] = self._journal_mark()
            files[JOURNAL] = self._journal(remote, marks[JOURNAL])
        for name, mark, descriptor in self._found(tops):
            marks[name] = mark
            if self._marks.get(name) == mark and name in self.contents.files:
                files[name] = self.contents.files[name]
            else:
                files[name] = self._stored(remote, descriptor)
        if is_still():
            self._publish(remote, files)
            self._marks = marks

    def _found(self, tops: Sequence[str]) -> Iterator[tuple[str, Mark, int]]:
        """Yield the regular files with these top names, each with a descriptor while it counts."""
        for top in tops:
            if top in FILES and top != JOURNAL:
                with _opened(str(self._root / top)) as found:
                    if found is not None:
                        yield top, _mark(found), found
            elif top in TREES and Place(self._root, top).is_there():
                with Place(self._root, top).opened() as here:
                    yield from _below(top, here)

    def _stored(self, remote: Remote, descriptor: int) -> Stored:
        """Upload the parts of an open file that are not there."""
        size, parts = 0, []
        while data := _part(descriptor):
            if not self._goes_on():
                raise Stopped
            digest = hashlib.sha256(data).hexdigest()
            name = f"{PARTS}/{digest}"
            if digest not in self._there:
                is_there = self._unsure.get(digest) == len(data) and remote.holds(name, data)
                if not is_there:
                    remote.put(name, data)
                self._there.add(digest)
                self._arrived()
            parts.append(digest)
            size += len(data)
        return Stored(size, tuple(parts))

    def _journal(self, remote: Remote, mark: Mark) -> Stored:
        if self._marks.get(JOURNAL) == mark and JOURNAL in self.contents.files:
            return self.contents.files[JOURNAL]
        copy = self._root / _SNAPSHOT
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        copy.unlink(missing_ok=True)
        os.close(os.open(copy, flags, 0o600))
        try:
            journal = SqliteJournal(self._root / JOURNAL, read_only=True)
            with contextlib.closing(journal):
                journal.copy_to(copy)
            with _opened(str(copy)) as found:
                assert found is not None
                return self._stored(remote, found)
        finally:
            copy.unlink(missing_ok=True)

    def _journal_mark(self) -> Mark:
        return (*self._stat(JOURNAL), *self._stat(f"{JOURNAL}-wal"))

    def _model_marks(self) -> tuple[Mark, ...]:
        return tuple(self._stat(name) for name in MODEL)

    def _stat(self, name: str) -> Mark:
        try:
            found = (self._root / name).lstat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _publish(self, remote: Remote, files: Mapping[str, Stored]) -> None:
        """Write a manifest of these files, unless the newest one has just them."""
        if files == self.contents.files:
            return
        number, found = newest(remote)
        self._check_owner(found)
        if number != self._number:  # also after a write that was said to have failed
            self._remote = None
            raise StoreFailed("its content has changed; looking at it again")
        contents = Contents(self._name(), time.time(), files)
        remote.put(manifest_name(self._number + 1), encode(contents))
        self._number += 1
        self.contents = contents
        self._is_littered = True
        self._arrived()

    def _remove_old(self, remote: Remote) -> None:
        self._is_littered = False
        for number in numbers(remote):
            if number < self._number:
                remote.remove(manifest_name(number))
        needed = {part for one in self.contents.files.values() for part in one.parts}
        for part in {*remote.names(PARTS)} - needed:
            if is_part(part):  # and not a file of somebody else
                self._there.discard(part)
                remote.remove(f"{PARTS}/{part}")
        self._unsure = {}


@contextlib.contextmanager
def _opened(name: str, folder: int | None = None) -> Iterator[int | None]:
    """Open a regular file; None if it is none, or is gone."""
    try:
        descriptor = os.open(name, _FILE, dir_fd=folder)
    except OSError:
        yield None
        return
    try:
        yield descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)


def _below(top: str, here: Path) -> Iterator[tuple[str, Mark, int]]:
    """Yield the regular files below a directory, and follow no link."""
    folder = os.open(here, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for way, inner, names, at in os.fwalk(".", dir_fd=folder):
            inner.sort()
            for name in sorted(names):
                with _opened(name, at) as found:
                    if found is not None:
                        yield os.path.normpath(f"{top}/{way}/{name}"), _mark(found), found
    finally:
        os.close(folder)


def _mark(descriptor: int) -> Mark:
    found = os.fstat(descriptor)
    return found.st_mtime_ns, found.st_size, found.st_ino


def _part(descriptor: int) -> bytes:
    """Return the next part of a file, shorter only at its end."""
    data = b""
    while len(data) < PART and (more := os.read(descriptor, PART - len(data))):
        data += more
    return data
