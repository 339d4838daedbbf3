"""Atomic writes, whatever is in the place of the file."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from autofinetune.runner.files import write_atomically
from tests.helpers import file_size_limit


@pytest.mark.parametrize("durable", [False, True])
def test_a_record_replaces_the_one_before(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "record.json"
    for number in range(2):
        write_atomically(str(path), {"number": number}, durable=durable)
        assert json.loads(path.read_text()) == {"number": number}
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_script_put_there_makes_room(tmp_path: Path) -> None:
    path, other = tmp_path / "record.json", tmp_path / "other"
    other.write_text("other")
    (path / "inside").mkdir(parents=True)
    (tmp_path / "record.json.tmp").symlink_to(other)
    write_atomically(str(path), {"a": 1}, durable=False)
    assert json.loads(path.read_text()) == {"a": 1}
    assert other.read_text() == "other"
    (moved,) = tmp_path.glob("record.json.*.moved")
    assert (moved / "inside").is_dir()


def test_a_record_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_atomically(str(path), {"a": 1}, durable=True)
    with file_size_limit(4), pytest.raises(OSError, match="No space left") as told:
        write_atomically(str(path), {"a": 2}, durable=True)
    assert told.value.errno == errno.ENOSPC
    assert json.loads(path.read_text()) == {"a": 1}
    write_atomically(str(path), {"a": 3}, durable=True)
    assert json.loads(path.read_text()) == {"a": 3}
