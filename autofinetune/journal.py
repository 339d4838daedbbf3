"""The only truth of a run: its events in one SQLite file, in order, each batch all or nothing.

Write-ahead log with synchronous=FULL: what `append` returned from survives a kill and a power
cut. One writer, the tuner; readers may open the file at any time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from autofinetune.errors import DiskFull, EnvironmentProblem
from autofinetune.events import Event, decode_event, encode_event

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x41465431  # "AFT1"


class Journal(Protocol):
    """Appends events durably and gives them back in order."""

    def append(self, events: Sequence[Event]) -> None: ...

    def events(self) -> Iterator[Event]: ...

    def close(self) -> None: ...


class MemoryJournal:
    """A journal without a file, for tests and simulations."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self._rows = [encode_event(event) for event in events]

    def append(self, events: Sequence[Event]) -> None:
        self._rows += [encode_event(event) for event in events]

    def events(self) -> Iterator[Event]:
        return (decode_event(kind, body) for kind, body in list(self._rows))

    def close(self) -> None:
        pass


class SqliteJournal:
    """A journal in `path`.

    Args:
        path: the database; created with `create=True` if need be, else it must exist.
        read_only: open for reading beside a running tuner.

    Raises:
        EnvironmentProblem: the file cannot be opened, is not a journal, or is of a newer version.
    """

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        self._path = path
        try:
            self._connection = self._open(create, read_only)
        except sqlite3.Error as error:
            raise self._problem("cannot be opened", error) from None

    def _open(self, create: bool, read_only: bool) -> sqlite3.Connection:
        if create:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        mode = "ro" if read_only else "rw"
        # The path may hold any character, '?' and '#' included: quote it for the URI.
        uri = f"{self._path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10.0)
        try:
            return self._prepare(connection, create, read_only)
        except BaseException:
            connection.close()
            raise

    def _prepare(
        self, connection: sqlite3.Connection, create: bool, read_only: bool
    ) -> sqlite3.Connection:
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cell_size_check=ON")
        if not read_only and _is_blank(connection):  # new, or of a life killed at its beginning
            connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        self._check(connection)
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS events "
                "(seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL)"
            )
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise sqlite3.DatabaseError("not a journal of autofinetune")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise sqlite3.DatabaseError(
                f"version {version}, written by a newer autofinetune; this one reads up to "
                f"version {SCHEMA_VERSION}"
            )

    def append(self, events: Sequence[Event]) -> None:
        """Write all of `events` or none; they are on disk when this returns."""
        if not events:
            return
        rows = [encode_event(event) for event in events]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT INTO events(kind, body) VALUES (?, ?)", rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._problem("cannot be written", error) from error

    def events(self) -> Iterator[Event]:
        """All events from the first to the last."""
        try:
            for kind, body in self._connection.execute(
                "SELECT kind, body FROM events ORDER BY seq"
            ):
                yield decode_event(kind, body)
        except (sqlite3.Error, ValueError) as error:
            raise self._problem("cannot be read", error) from None

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
        """Questions to the journal as it is at one moment: yields `ask(sql, *values) -> rows`.

        The table is `events(seq, kind, body)`; `body` is JSON.

        Raises:
            EnvironmentProblem: it cannot be read.
        """

        def ask(sql: str, *values: object) -> list[tuple[Any, ...]]:
            return self._connection.execute(sql, values).fetchall()

        try:
            self._connection.execute("BEGIN")
            try:
                yield ask
            finally:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._problem("cannot be read", error) from None

    def close(self) -> None:
        self._connection.close()

    def _problem(self, what: str, error: Exception) -> EnvironmentProblem:
        kind = DiskFull if _may_succeed_later(error) else EnvironmentProblem
        return kind(
            f"the journal {self._path} {what}: {error}",
            "check that the disk has space and the directory is writable; nothing that was "
            "acknowledged is lost",
        )


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever put into the database."""
    marks = [
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("user_version", "schema_version")
    ]
    return not any(marks)


def _may_succeed_later(error: Exception) -> bool:
    """No space or no right to write; never a failed fsync, after which nothing can be believed."""
    code = getattr(error, "sqlite_errorcode", None)  # from Python 3.11 on
    if code is not None and code in _IOERR_FOR_SPACE:
        return True
    return any(words in str(error) for words in ("disk is full", "readonly", "is locked"))


_IOERR_FOR_SPACE = (778, 4874)  # SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE
