"""A directory as a store, reached by fsspec like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.errors import EnvironmentProblem
from autofinetune.library import Library
from autofinetune.store import remote
from autofinetune.store.credentials import Secrets
from autofinetune.store.remote import Remote, StoreFailed, check_libraries


@pytest.fixture
def shelf(tmp_path: Path) -> Remote:
    return Remote(f"file://{tmp_path}/shelf", Secrets())


def test_files_and_their_sizes(shelf: Remote) -> None:
    assert shelf.names("") == {}
    shelf.put("parts/a", b"abc")
    shelf.put("parts/empty", b"")
    shelf.put("one.json", b"{}")
    assert shelf.names("parts") == {"a": 3, "empty": 0}
    assert shelf.names("") == {"one.json": 2}
    assert shelf.get("parts/a", 3) == b"abc"
    assert shelf.get("parts/empty", 3) == b""
    shelf.put("parts/a", b"abcd")
    assert shelf.get("parts/a", 4) == b"abcd"
    shelf.remove("parts/a")
    shelf.remove("parts/a")
    assert shelf.names("parts") == {"empty": 0}


def test_what_is_there_is_compared_byte_by_byte(shelf: Remote) -> None:
    shelf.put("a", b"abc")
    assert shelf.holds("a", b"abc")
    assert not shelf.holds("a", b"abx")
    assert not shelf.holds("a", b"abcd")
    assert not shelf.holds("gone", b"abc")


def test_no_more_is_read_than_is_expected(shelf: Remote) -> None:
    shelf.put("a", b"abc")
    with pytest.raises(ValueError, match="a has 3 bytes, and at most 2 are expected"):
        shelf.get("a", 2)
    with pytest.raises(FileNotFoundError):
        shelf.get("gone", 2)


def test_a_link_is_not_listed(shelf: Remote, tmp_path: Path) -> None:
    shelf.put("a", b"abc")
    (tmp_path / "shelf/link").symlink_to("a")
    (tmp_path / "shelf/folder").mkdir()
    assert shelf.names("") == {"a": 3}


def test_a_failure_is_one_line_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "hunter22").write_text("a file, and no folder")
    shelf = Remote(f"file://{tmp_path}/hunter22", Secrets("hunter22"))
    with pytest.raises(StoreFailed) as told:
        shelf.put("a", b"abc")
    assert "\n" not in str(told.value)
    assert "hunter22" not in str(told.value)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    check_libraries("file:///x")
    gone = Library("no_such_package", "1.0", "autofinetune[store]")
    monkeypatch.setitem(remote._NEEDS, "s3", gone)
    with pytest.raises(EnvironmentProblem, match="--store=s3://b/x needs the package no_such_p"):
        check_libraries("s3://b/x")
