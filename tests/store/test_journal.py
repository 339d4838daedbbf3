"""The promises of every journal, and how the SQLite journal handles damage."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from pathlib import Path

import pytest

from autofinetune.core.events import (
    Event,
    OptionsChanged,
    Reported,
    RunCreated,
    RunEnded,
    TrialCreated,
)
from autofinetune.errors import DiskFull, EnvironmentProblem
from autofinetune.store.journal import Journal, MemoryJournal, SqliteJournal
from tests.helpers import (
    Recorder,
    config_of,
    file_size_limit,
    tuner_in_memory,
)


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


def test_events_can_be_read_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    written = [RunEnded(float(number), "done") for number in range(5)]
    with contextlib.closing(SqliteJournal(path, create=True)) as journal:
        journal.append(written)
        with contextlib.closing(SqliteJournal(path, read_only=True)) as reader:
            assert list(reader.part(3, 100)) == written[3:]
            assert list(reader.part(1, 2)) == written[1:3]
            assert list(reader.part(5, 100)) == []
            more = RunEnded(5.0, "done")
            journal.append([more])
            assert list(reader.part(5, 100)) == [more]


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


# --- changes to the file by others --------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "CREATE VIEW more AS SELECT 1",
        "CREATE TABLE more (x)",
        "CREATE TRIGGER more AFTER INSERT ON events BEGIN SELECT 1; END",
        "DROP TABLE events; CREATE VIEW events (seq, kind, body) AS SELECT 1, 'RunEnded', '{}'",
        "ALTER TABLE events ADD COLUMN more",
    ],
)
def test_it_has_its_one_table_and_nothing_else(path: Path, change: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(change)
    for read_only in (False, True):
        with pytest.raises(EnvironmentProblem, match="not have the one table") as told:
            SqliteJournal(path, read_only=read_only)
        assert "restore a backup" in str(told.value.tip)


def test_the_first_event_tells_of_the_run(path: Path, tmp_path: Path) -> None:
    with contextlib.closing(SqliteJournal(path, read_only=True)) as journal:
        assert journal.created() == RunCreated(0.0, "run", "1", {})
    with contextlib.closing(SqliteJournal(tmp_path / "new.db", create=True)) as journal:
        assert journal.created() is None
        journal.append([RunEnded(1.0, "one")])
        with pytest.raises(EnvironmentProblem, match="its first event is not RunCreated"):
            journal.created()
        journal._connection.execute("UPDATE events SET body = 5")
        with pytest.raises(EnvironmentProblem, match="cannot be read: event RunEnded"):
            journal.created()
        journal._connection.execute("DROP TABLE events")
        assert journal.created() is None


def test_the_configuration_has_what_was_changed_since(tmp_path: Path) -> None:
    with contextlib.closing(SqliteJournal(tmp_path / "run.db", create=True)) as journal:
        journal.append([RunCreated(0.0, "run", "1", {"gpu": "0", "round": 3})])
        assert journal.config() == {"gpu": "0", "round": 3}
        journal.append([OptionsChanged(1.0, "a", {"round": 4}), RunEnded(2.0, "one")])
        journal.append([OptionsChanged(3.0, "b", {"round": 5, "gpu": "1"})])
        assert journal.config() == {"gpu": "1", "round": 5}


def test_a_page_in_two_places_is_found(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append([RunEnded(float(number), "x" * 100) for number in range(200)])
    journal.close()
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    assert data[size] == 5  # page 2 is the root of the table, and has pages below it
    first, second = (int.from_bytes(data[size + at : size + at + 2], "big") for at in (12, 14))
    data[size + second : size + second + 4] = data[size + first : size + first + 4]
    path.write_bytes(data)
    with contextlib.closing(SqliteJournal(path, read_only=True)) as journal:
        with pytest.raises(EnvironmentProblem, match="cannot be read"):
            list(journal.events())
        with pytest.raises(EnvironmentProblem, match="cannot be read"), journal.snapshot():
            pass


def test_reports_can_be_left_out_or_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with contextlib.closing(SqliteJournal(path, create=True)) as journal:
        others: list[Event] = [RunCreated(1.0, "r", "0", {}), RunEnded(9.0, "done")]
        reports = [
            Reported(2.0, 7, 1, 0, 0.1, 30),
            Reported(3.0, 8, 1, -5, 0.30000000000000004, 30),
            Reported(4.0, 7, 2, 1, 1e300, 60),
        ]
        journal.append([others[0], *reports, others[1]])
        assert list(journal.events(reports=False)) == others
        assert list(journal.reports(7)) == [(7, 1, 0, 0.1), (7, 2, 1, 1e300)]
        assert [report[3] for report in journal.reports()] == [one.score for one in reports]
    for body in ('{"trial": 1}', "[1]", '{"trial": 1, "attempt": 1, "step": 0, "score": NaN}'):
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE events SET body = ? WHERE seq = 2", (body,))
        with (
            contextlib.closing(SqliteJournal(path, read_only=True)) as journal,
            pytest.raises(EnvironmentProblem, match="cannot be read"),
        ):
            list(journal.reports())


def test_a_copy_is_complete_without_other_files(tmp_path: Path) -> None:
    events = some_events(tmp_path)
    with contextlib.closing(SqliteJournal(tmp_path / "run.db", create=True)) as journal:
        journal.append(events)
        (tmp_path / "copies").mkdir()
        (tmp_path / "copies/run.db").touch()
        journal.copy_to(tmp_path / "copies/run.db")
        assert [path.name for path in (tmp_path / "copies").iterdir()] == ["run.db"]
        with contextlib.closing(SqliteJournal(tmp_path / "copies/run.db", read_only=True)) as copy:
            assert list(copy.events()) == events
        with pytest.raises(EnvironmentProblem, match="cannot be copied"):
            journal.copy_to(tmp_path / "gone/run.db")
