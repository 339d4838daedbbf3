"""The log of a trial keeps its beginning and end, whatever is printed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autofinetune.runner.log import BoundedLog


def write(root: Path, parts: list[bytes], head: int, tail: int) -> bytes:
    log = BoundedLog(str(root / "log"), str(root), head, tail)
    for part in parts:
        log.write(part)
    log.close()
    assert sorted(path.name for path in root.iterdir()) == ["log"]
    return (root / "log").read_bytes()


def test_a_short_log_is_whole(tmp_path: Path) -> None:
    assert write(tmp_path, [b"one\n", b"two\n"], 100, 100) == b"one\ntwo\n"


def test_a_log_within_both_bounds_is_whole(tmp_path: Path) -> None:
    assert write(tmp_path, [b"abcdefgh"], 4, 8) == b"abcdefgh"


def test_of_a_long_log_the_beginning_and_the_end_stay(tmp_path: Path) -> None:
    text = write(tmp_path, [b"%05d\n" % number for number in range(10_000)], 600, 1200)
    assert text.startswith(b"00000\n00001\n")
    assert text.endswith(b"09998\n09999\n")
    head, _, tail = text.partition(b"\n[... ")
    dropped, _, tail = tail.partition(b" bytes left out ...]\n")
    assert len(head) == 600
    assert 600 <= len(tail) <= 1200
    assert len(head) + int(dropped) + len(tail) == 60_000


@given(st.lists(st.binary(max_size=40), max_size=60), st.integers(1, 30), st.integers(2, 30))
def test_head_and_tail_are_what_was_printed(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], head: int, tail: int
) -> None:
    whole = b"".join(parts)
    text = write(tmp_path_factory.mktemp("log"), parts, head, tail)
    assert text.startswith(whole[:head])
    assert text.endswith(whole[len(whole) - min(len(whole), tail // 2) :])
    assert len(text) <= head + tail + 60


def test_it_goes_on_behind_an_earlier_attempt(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"first\n")
    assert write(tmp_path, [b"second\n"], 100, 100) == b"first\nsecond\n"


def test_a_full_disk_loses_output_but_does_not_hold_it_up() -> None:
    log = BoundedLog("/dev/full", "/tmp", 100, 100)
    log.write(b"x" * 50)
    assert log.dropped == 50
    log.close()
    assert os.path.exists("/dev/full")  # noqa: PTH110


def test_an_end_for_which_there_is_no_space_stays_beside_the_log(tmp_path: Path) -> None:
    log = BoundedLog("/dev/full", str(tmp_path), 2, 100)
    log.write(b"abcdef")
    assert log.dropped == 2
    log.close()
    assert (tmp_path / "tail.new").read_bytes() == b"cdef"


def test_a_log_that_cannot_be_opened_loses_all_and_says_why(tmp_path: Path) -> None:
    log = BoundedLog(str(tmp_path), str(tmp_path), 4, 8)
    log.write(b"abcdefgh")
    log.close()
    assert log.dropped == 4
    assert "Is a directory" in log.error


@pytest.mark.parametrize("name", ["tail.new", "tail.old"])
def test_an_end_that_cannot_be_kept_aside_is_lost(tmp_path: Path, name: str) -> None:
    (tmp_path / name / "full").mkdir(parents=True)
    log = BoundedLog(str(tmp_path / "log"), str(tmp_path), 4, 8)
    log.write(b"head" + b"abcd" + b"efgh" + b"ijkl")
    log.close()
    assert log.dropped > 0
    assert "irectory" in log.error
    assert (tmp_path / "log").read_bytes().startswith(b"head\n[... ")


def test_a_pipe_or_a_link_in_the_place_of_a_log_is_not_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("pipe", "link"):
        log = BoundedLog(str(tmp_path / name), str(tmp_path), 4, 8)
        log.write(b"x")
        log.close()
        assert log.dropped == 1
        assert log.error
    assert not (tmp_path / "elsewhere").exists()
