"""The journal, the single source of truth of a run: its events in order, in one SQLite file.

Each batch is written completely or not at all. With a write-ahead log and synchronous=FULL, a
batch survives a kill or a power cut once `append` has returned. The tuner is the only writer;
readers may open the file at any time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from autofinetune.core.events import (
    Event,
    OptionsChanged,
    RunCreated,
    decode_event,
    decode_report,
    encode_event,
)
from autofinetune.errors import DiskFull, EnvironmentProblem
from autofinetune.store.journal_files import JournalFiles
from autofinetune.world import NO_SPACE

T = TypeVar("T")
SCHEMA_VERSION = 1
_APPLICATION_ID = 0x41465431  # "AFT1"
_TABLE = "events (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL)"
_SCHEMA = [("table", "events", f"CREATE TABLE {_TABLE}")]
_LONGEST_ROW = 256 << 20
_CHANGED = OptionsChanged.__name__
_DAMAGED = (
    "it is damaged or was changed by another program; restore a backup of it or of the whole "
    "directory"
)


class Journal(Protocol):
    """Appends events durably and returns them in order."""

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
    """A journal in the file `path`; it stays open when its directory is moved.

    The file must exist unless `create=True`. `read_only` is for reading while a tuner may be
    running; `notice` receives messages for the console. Raise EnvironmentProblem if the file
    cannot be opened, is no journal, or has a newer version.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = False,
        read_only: bool = False,
        notice: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._path = path
        self._read_only = read_only
        self._notice = notice
        self._is_checked = False
        try:
            self._files = JournalFiles(path)
        except OSError as error:
            raise self._problem("cannot be opened", error) from None
        try:
            self._files.refuse_links()
            if create:
                self._files.create()
            self._connection = self._open()
            self._files.remember()
        except (sqlite3.Error, OSError) as error:
            why = self._files.why_not_opened() or error
            self._files.close()
            raise self._problem("cannot be opened", why) from None
        except BaseException:
            self._files.close()
            raise

    def _open(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rw"
        # The name may hold any character, '?' and '#' included: quote it for the URI.
        uri = f"{self._files.path.as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10.0)
        try:
            return self._prepare(connection, self._read_only)
        except BaseException:
            connection.close()
            raise

    def _prepare(self, connection: sqlite3.Connection, read_only: bool) -> sqlite3.Connection:
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cell_size_check=ON")
        if not read_only and _is_blank(connection):  # new, or from a session killed at its start
            connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        self._check(connection)
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE}")
        schema = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchmany(2)
        if schema != _SCHEMA and not (read_only and not schema):
            raise sqlite3.DatabaseError("it does not have the one table of a journal")
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        with contextlib.suppress(AttributeError):  # it exists from Python 3.11 on
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_ROW)
        if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise sqlite3.DatabaseError("not a journal of autofinetune")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise EnvironmentProblem(
                f"the journal {self._path} has version {version}, written by a newer "
                f"autofinetune; this one reads up to version {SCHEMA_VERSION}",
                "install the newer version",
            )

    def append(self, events: Sequence[Event]) -> None:
        """Write all of `events` or none; they are on disk when this method returns."""
        if not events:
            return
        rows = [encode_event(event) for event in events]
        try:
            self._stay_in_place()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT INTO events(kind, body) VALUES (?, ?)", rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as error:
            raise self._problem("cannot be written", error) from error

    def _stay_in_place(self) -> None:
        """Rewrite the file if it was deleted; its content is still open here."""
        if self._files.is_in_place():
            return
        self._copy(self._files.begin_copy())
        self._files.end_copy()
        fresh = self._open()
        self._connection.close()
        self._connection = fresh
        self._files.remember()
        self._notice(f"WARNING: {self._path} was deleted; it was restored and nothing is lost")

    def copy_to(self, target: Path) -> None:
        """Write all events to an empty file; raise EnvironmentProblem, without space for example.

        Other processes may write to the journal meanwhile.
        """
        try:
            self._copy(target)
        except (sqlite3.Error, OSError) as error:
            raise self._problem("cannot be copied", error) from None

    def _copy(self, target: Path) -> None:
        """Write all events to an empty file, which is complete without others."""
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")

    def created(self) -> RunCreated | None:
        """Return the first event, or None; EnvironmentProblem if it is not a RunCreated."""
        try:
            if not self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return None  # from a session that was killed at its start
            first = self._connection.execute(
                "SELECT kind, body FROM events ORDER BY seq LIMIT 1"
            ).fetchone()
            event = None if first is None else decode_event(*first)
        except (sqlite3.Error, ValueError) as error:
            raise self._problem("cannot be read", error) from None
        if event is not None and not isinstance(event, RunCreated):
            raise self._problem("cannot be read", ValueError("its first event is not RunCreated"))
        return event

    def config(self) -> Mapping[str, Any]:
        """Return the recorded configuration, with the options that were changed since.

        The journal must have events. Raise EnvironmentProblem if it cannot be read.
        """
        begun = self.created()
        assert begun is not None
        with self.snapshot() as ask:
            rows = ask("SELECT kind, body FROM events WHERE kind = ? ORDER BY seq", _CHANGED)
            changes = [decode_event(*row) for row in rows]
        config = dict(begun.config)
        for change in changes:
            assert isinstance(change, OptionsChanged)
            config.update(change.options)
        return config

    def _check_pages(self) -> None:
        """Check that no page is linked twice, so that reading all pages terminates."""
        if not self._is_checked:
            (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
            self._is_checked = True

    def events(self, *, reports: bool = True) -> Iterator[Event]:
        """Yield all events from first to last, or all but the intermediate reports.

        Most events are reports, and few readers need them.
        """
        return self._read(decode_event, "" if reports else "WHERE kind <> 'Reported'")

    def part(self, after: int, most: int) -> Iterator[Event]:
        """Yield the events that follow the first `after`, at most `most`."""
        return self._read(decode_event, "WHERE seq > ? AND seq <= ?", after, after + most)

    def reports(self, trial: int | None = None) -> Iterator[tuple[int, int, int, float]]:
        """Yield the intermediate reports of a trial, or of all, as (trial, attempt, step, score).

        They are in the order in which they happened, of all attempts.
        """
        where, values = "WHERE kind = 'Reported'", []
        if trial is not None:
            where += " AND json_extract(body, '$.trial') = ?"
            values.append(trial)
        return self._read(lambda kind, body: decode_report(body), where, *values)

    def _read(self, decode: Callable[[str, str], T], where: str, *values: int) -> Iterator[T]:
        try:
            self._check_pages()
            for kind, body in self._connection.execute(
                f"SELECT kind, body FROM events {where} ORDER BY seq", values
            ):
                yield decode(kind, body)
        except (sqlite3.Error, ValueError) as error:
            raise self._problem("cannot be read", error) from None

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
        """Query the journal as of one moment; yield a function `ask(sql, *values) -> rows`.

        The table is `events(seq, kind, body)`; `body` is JSON.
        """

        def ask(sql: str, *values: object) -> list[tuple[Any, ...]]:
            return self._connection.execute(sql, values).fetchall()

        try:
            self._check_pages()
            self._connection.execute("BEGIN")
            try:
                yield ask
            finally:
                self._connection.execute("ROLLBACK")
        except (sqlite3.Error, ValueError) as error:
            raise self._problem("cannot be read", error) from None

    def close(self) -> None:
        self._connection.close()
        self._files.close()

    def _problem(self, what: str, error: Exception) -> EnvironmentProblem:
        message = f"the journal {self._path} {what}: {error}"
        if _may_succeed_later(error):
            return DiskFull(message, _NO_ROOM)
        if isinstance(error, ValueError | sqlite3.DataError) or type(error) is _DAMAGE:
            return EnvironmentProblem(message, _DAMAGED)
        return EnvironmentProblem(message, None if isinstance(error, OSError) else _NO_ROOM)


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Return whether nothing was ever written to the database."""
    marks = [
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("user_version", "schema_version")
    ]
    return not any(marks)


def _may_succeed_later(error: Exception) -> bool:
    """Return whether a retry may help: no space, read-only or locked, but never a failed fsync."""
    if isinstance(error, OSError):
        return error.errno in NO_SPACE
    code = getattr(error, "sqlite_errorcode", None)  # from Python 3.11 on
    if code is not None and code in _IOERR_FOR_SPACE:
        return True
    return any(words in str(error) for words in ("disk is full", "readonly", "is locked"))


_NO_ROOM = (
    "check that the disk has space and the directory is writable; no recorded result is lost"
)
_DAMAGE = sqlite3.DatabaseError  # exactly this class, none of its subclasses
_IOERR_FOR_SPACE = (778, 4874)  # SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE
