"""What every journal promises, and what the SQLite one does with damage."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from autofinetune.errors import DiskFull, EnvironmentProblem
from autofinetune.events import Event, RunEnded, TrialCreated
from autofinetune.journal import Journal, MemoryJournal, SqliteJournal
from tests.helpers import Recorder, config_of, file_size_limit, tuner_in_memory


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    if request.param == "memory":
        return MemoryJournal()
    made = SqliteJournal(tmp_path / "run.db", create=True)
    request.addfinalizer(made.close)
    return made


def some_events(tmp_path: Path) -> list[Event]:
    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path / "some", config_of(), sinks=[recorder])
    tuner.start("run")
    tuner.run()
    return recorder.events


def test_events_come_back_equal_and_in_order(journal: Journal, tmp_path: Path) -> None:
    events = some_events(tmp_path)
    journal.append(events[:10])
    journal.append([])
    journal.append(events[10:])
    assert list(journal.events()) == events
    journal.close()


def test_a_batch_that_cannot_be_encoded_leaves_nothing(journal: Journal) -> None:
    bad = TrialCreated(1.0, 0, 0, 0, (float("nan"),), {}, None)
    with pytest.raises(ValueError, match="JSON"):
        journal.append([RunEnded(1.0, "done"), bad])
    assert list(journal.events()) == []


def test_what_was_appended_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "a ?#% name.db"
    journal = SqliteJournal(path, create=True)
    journal.append([RunEnded(1.0, "done")])
    reader = SqliteJournal(path, read_only=True)
    assert list(reader.events()) == [RunEnded(1.0, "done")]
    reader.close()
    journal.close()
    again = SqliteJournal(path)
    assert list(again.events()) == [RunEnded(1.0, "done")]
    again.close()


def test_commits_are_durable_against_a_power_cut(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "run.db", create=True)
    assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    journal.close()


def test_a_missing_file_a_foreign_file_and_a_foreign_database_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot be opened"):
        SqliteJournal(tmp_path / "none.db")
    text = tmp_path / "text.db"
    text.write_text("this is not a database, and it is long enough to be read as a header page")
    with pytest.raises(EnvironmentProblem, match="not a database"):
        SqliteJournal(text)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(EnvironmentProblem, match="not a journal"):
        SqliteJournal(foreign)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "run.db", create=True)
    journal._connection.execute("PRAGMA user_version=99")
    journal.close()
    with pytest.raises(EnvironmentProblem, match="newer autofinetune"):
        SqliteJournal(tmp_path / "run.db")


def test_unknown_and_damaged_events_are_one_clear_error(tmp_path: Path) -> None:
    for kind, body in [("Nonsense", "{}"), ("RunEnded", "{"), ("RunEnded", '{"x": 1}')]:
        journal = SqliteJournal(tmp_path / f"{kind}{len(body)}.db", create=True)
        journal._connection.execute("INSERT INTO events(kind, body) VALUES (?, ?)", (kind, body))
        with pytest.raises(EnvironmentProblem, match="cannot be read"):
            list(journal.events())
        journal.close()


def test_a_failed_write_rolls_back_and_says_so(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "run.db", create=True)
    journal.append([RunEnded(1.0, "one")])
    journal._connection.execute("PRAGMA max_page_count=1")
    journal._connection.execute("PRAGMA query_only=ON")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        journal.append([RunEnded(2.0, "two")])
    journal._connection.execute("PRAGMA query_only=OFF")
    assert list(journal.events()) == [RunEnded(1.0, "one")]
    journal.close()


@pytest.mark.parametrize("action", ["ABORT", "ROLLBACK"], ids=["left open", "rolled back"])
def test_of_a_batch_that_fails_halfway_nothing_stays(tmp_path: Path, action: str) -> None:
    journal = SqliteJournal(tmp_path / "run.db", create=True)
    journal.append([RunEnded(1.0, "one")])
    journal._connection.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN instr(NEW.body, 'three') "
        f"BEGIN SELECT RAISE({action}, 'refused'); END"
    )
    with pytest.raises(EnvironmentProblem, match="cannot be written: refused") as told:
        journal.append([RunEnded(2.0, "two"), RunEnded(3.0, "three")])
    assert not isinstance(told.value, DiskFull)
    journal.append([RunEnded(4.0, "four")])
    assert list(journal.events()) == [RunEnded(1.0, "one"), RunEnded(4.0, "four")]
    journal.close()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3 does not tell the code")
def test_a_write_without_space_may_be_tried_again(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "run.db", create=True)
    journal.append([RunEnded(1.0, "one")])
    two = RunEnded(2.0, "two" * 100_000)
    with file_size_limit(100_000), pytest.raises(DiskFull, match="cannot be written"):
        journal.append([two])
    assert list(journal.events()) == [RunEnded(1.0, "one")]
    journal.append([two])
    assert list(journal.events()) == [RunEnded(1.0, "one"), two]
    journal.close()


def test_questions_are_answered_as_of_one_moment(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    writer = SqliteJournal(path, create=True)
    writer.append([RunEnded(1.0, "done")])
    reader = SqliteJournal(path, read_only=True)
    count = "SELECT count(*) FROM events WHERE kind = ?"
    with reader.snapshot() as ask:
        assert ask(count, "RunEnded") == [(1,)]
        writer.append([RunEnded(2.0, "again")])
        assert ask(count, "RunEnded") == [(1,)]
    with reader.snapshot() as ask:
        assert ask(count, "RunEnded") == [(2,)]
    with (
        pytest.raises(EnvironmentProblem, match="cannot be read: no such table"),
        reader.snapshot() as ask,
    ):
        ask("SELECT * FROM no_table")
    reader.close()
    with pytest.raises(EnvironmentProblem, match="cannot be read"), reader.snapshot():
        pass
    writer.close()
