"""The file that says how far the uploads are."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.store.paths import RunPaths
from autofinetune.store.standing import Standing, bytes_of, read_standing, write_standing

STANDING = Standing("s3://b/x", 5.0, 2, 3_400_000, ("run.db",), "no route", 4.0)


def test_it_reads_what_it_writes(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    assert read_standing(paths) is None
    write_standing(paths, STANDING)
    assert read_standing(paths) == STANDING


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"url": "x"}', "[" * 100_000,
     '{"url": 1, "at": 1, "files": 1, "size": 1, "problem": "", "stored_at": 1, "waiting": []}',
     '{"url": "", "at": 1, "files": 1, "size": 1, "problem": "", "stored_at": 1, "waiting": [1]}'],
)  # fmt: skip
def test_a_file_of_another_form_counts_as_none(tmp_path: Path, text: str) -> None:
    paths = RunPaths(tmp_path)
    paths.standing.write_text(text)
    assert read_standing(paths) is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "run")
    paths.root.mkdir()
    elsewhere = RunPaths(tmp_path)
    write_standing(elsewhere, STANDING)
    paths.standing.symlink_to(elsewhere.standing)
    assert read_standing(paths) is None


def test_its_sentence() -> None:
    told = STANDING.sentence()
    assert told == "s3://b/x: 2 files, 3.4 MB; not there yet: run.db (no route)"
    assert Standing("u", 1.0, 1, 12).sentence() == "u: up to date, 1 file, 12 bytes"
    many = Standing("u", 1.0, waiting=tuple("abcde"))
    assert many.sentence() == "u: 0 files, 0 bytes; not there yet: a, b, c and 2 more"
    assert [bytes_of(n) for n in (999, 1000, 2_500_000_000)] == ["999 bytes", "1.0 kB", "2.5 GB"]
