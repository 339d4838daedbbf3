"""VisualDL logs from an untrusted source."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from autofinetune.sinks.records import MOST_BYTES, Records, add_what_is_whole, is_log


def record(data: bytes, length: int | None = None) -> bytes:
    return (len(data) if length is None else length).to_bytes(8, "little") + data


def read(reader: Records) -> list[bytes]:
    found: list[bytes] = []
    while True:
        try:
            reader.get_next()
        except EOFError:
            return found
        found.append(reader.record())


def test_whole_records_are_read_and_later_ones_when_they_are_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(record(b"\none") + record(b"\n") + record(b"\nsecond")[:-1])
    reader = Records(str(path))
    assert read(reader) == [b"\none", b"\n"]
    with path.open("ab") as file:
        file.write(b"d" + record(b"\nthird"))
    assert read(reader) == [b"\nsecond", b"\nthird"]


@pytest.mark.parametrize("length", [2**64 - 1, 2**40, 5, 0])
def test_a_length_beyond_the_end_ends_the_log(tmp_path: Path, length: int) -> None:
    (tmp_path / "log").write_bytes(record(b"\none") + record(b"\nabc", length))
    assert read(Records(str(tmp_path / "log"))) == [b"\none"]


def test_only_files_of_some_size_are_logs(tmp_path: Path) -> None:
    file, link, pipe, huge = (tmp_path / name for name in ("file", "link", "pipe", "huge"))
    file.write_bytes(record(b"\none"))
    link.symlink_to(file)
    os.mkfifo(pipe)
    with huge.open("wb") as made:
        made.truncate(MOST_BYTES + 1)
    paths = (file, link, pipe, huge, tmp_path, tmp_path / "none")
    assert [is_log(path) for path in paths] == [True, *[False] * 5]
    assert [read(Records(str(path))) for path in paths] == [[b"\none"], *[[]] * 5]


@pytest.mark.parametrize("junk", [b"", b"x", b"\xff" * 100])
def test_what_is_no_record_ends_the_log(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "log").write_bytes(record(b"\none") + record(junk) * 1000)
    assert read(Records(str(tmp_path / "log"))) == [b"\none"]


def test_what_cannot_be_understood_is_left_out() -> None:
    added = []

    def parse(item: bytes) -> tuple[str, str, str, bytes]:
        if item == b"bad":
            raise TypeError(item)
        return "scalar", "dir", "tag", item

    reader = SimpleNamespace(dir="dir", get_remain=lambda: [b"a", b"bad", b"b"])
    manager = SimpleNamespace(add_item=lambda *words: added.append(words))
    add_what_is_whole(
        SimpleNamespace(readers={"x": reader}, parse_from_bin=parse, data_manager=manager)
    )
    assert added == [("scalar", "dir", "tag", b"a"), ("scalar", "dir", "tag", b"b")]
