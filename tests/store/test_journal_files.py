"""Files of a journal that others delete, move or replace."""

from __future__ import annotations

import contextlib
import shutil
import stat
from pathlib import Path

import pytest

from autofinetune.core.events import RunEnded
from autofinetune.errors import EnvironmentProblem
from autofinetune.store.journal import SqliteJournal
from tests.helpers import one_descriptor_left


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_a_link_in_the_place_of_a_file_is_refused(path: Path, end: str) -> None:
    name = path.with_name(path.name + end)
    name.unlink(missing_ok=True)
    name.symlink_to("elsewhere")
    with pytest.raises(EnvironmentProblem, match="is a link or not a regular file"):
        SqliteJournal(path, create=True)
    assert not (path.parent / "elsewhere").exists()


@pytest.mark.parametrize("ends", [[""], ["", "-wal", "-shm"]], ids=["itself", "all files"])
def test_what_was_deleted_is_written_anew(path: Path, ends: list[str]) -> None:
    told: list[str] = []
    journal = SqliteJournal(path, notice=told.append)
    before = list(journal.events())
    for end in ends:
        path.with_name(path.name + end).unlink()
    path.with_name("run.db.new").write_text("of a life that was killed here")
    journal.append([RunEnded(2.0, "two")])
    journal.append([RunEnded(3.0, "three")])
    assert told == [f"WARNING: {path} was deleted; it was restored and nothing is lost"]
    after = [*before, RunEnded(2.0, "two"), RunEnded(3.0, "three")]
    assert list(journal.events()) == after
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    journal.close()
    assert [name.name for name in path.parent.iterdir()] == ["run.db"]
    with contextlib.closing(SqliteJournal(path, read_only=True)) as again:
        assert list(again.events()) == after


def test_another_file_in_its_place_is_left_alone(path: Path) -> None:
    journal = SqliteJournal(path)
    path.rename(path.with_name("kept"))
    path.write_text("mine")
    with pytest.raises(EnvironmentProblem, match="was replaced by another file"):
        journal.append([RunEnded(2.0, "two")])
    journal.close()
    assert path.read_text() == "mine"


def test_a_directory_that_was_deleted_takes_nothing_more(path: Path) -> None:
    journal = SqliteJournal(path)
    shutil.rmtree(path.parent)
    with pytest.raises(EnvironmentProblem, match="was deleted during the run"):
        journal.append([RunEnded(2.0, "two")])
    journal.close()


def test_a_directory_that_was_moved_is_the_same(path: Path) -> None:
    journal = SqliteJournal(path)
    moved = path.parent.rename(path.parent.with_name("moved"))
    journal.append([RunEnded(2.0, "two")])
    journal.close()
    assert not path.parent.exists()
    with contextlib.closing(SqliteJournal(moved / path.name)) as again:
        assert list(again.events())[-1] == RunEnded(2.0, "two")


def test_why_it_cannot_be_opened_is_told(tmp_path: Path, path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 100] * 5)
    deep.mkdir(parents=True)
    with pytest.raises(EnvironmentProblem, match="choose a shorter --output_dir"):
        SqliteJournal(deep / "run.db", create=True)
    with pytest.raises(EnvironmentProblem, match="No such file"):
        SqliteJournal(tmp_path / "none" / "run.db")
    with one_descriptor_left(), pytest.raises(EnvironmentProblem, match="Too many open files"):
        SqliteJournal(path)
