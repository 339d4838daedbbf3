"""Copies of models: the same files, and none of what is no file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from autofinetune.copying import copy_model, make_writable, remove_tree
from autofinetune.sinks.best_model import describe_files


def test_pipes_are_left_out_and_links_stay_links(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    (source / "weights").write_text("w")
    (source / "last").symlink_to("weights")
    (source / "outside").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe")
    copy_model(source, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [
        "last", "outside", "weights",
    ]  # fmt: skip
    assert (tmp_path / "copy/outside").is_symlink()
    assert list(describe_files(tmp_path / "copy")) == ["weights"]


def test_links_lead_where_they_led_or_into_the_copy(tmp_path: Path) -> None:
    source = tmp_path / "runs/here/model"
    (source / "sub").mkdir(parents=True)
    (source / "sub/checkpoint").mkdir()
    (source / "last").symlink_to(source / "sub/checkpoint")
    (source / "sub/up").symlink_to("../sub/checkpoint")
    (source / "vocabulary").symlink_to("../../words")
    (source / "loop").symlink_to("loop")
    copy_model(source, tmp_path / "copy")
    found = {
        name: str((tmp_path / "copy" / name).readlink())
        for name in ("last", "sub/up", "vocabulary", "loop")
    }
    assert found == {
        "last": "sub/checkpoint",
        "sub/up": "checkpoint",
        "vocabulary": str(tmp_path / "runs/words"),
        "loop": "loop",
    }


def test_a_tree_goes_that_may_not_be_written_to(tmp_path: Path) -> None:
    inner = tmp_path / "tree/sub/deep"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    (tmp_path / "outside").mkdir(mode=0o500)
    (inner / "link").symlink_to(tmp_path / "outside")
    for folder in (inner, inner.parent):
        folder.chmod(0o500)
    make_writable(inner.parent)
    make_writable(inner / "link")
    modes = [path.stat().st_mode & 0o777 for path in (inner.parent, inner, tmp_path / "outside")]
    assert modes == [0o700, 0o500, 0o500]
    remove_tree(tmp_path / "tree")
    remove_tree(tmp_path / "tree")  # it is gone already
    assert (tmp_path / "outside").is_dir()
    assert not (tmp_path / "tree").exists()


def test_a_copy_does_not_change_with_its_original(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    weights = tmp_path / "model/weights"
    weights.write_bytes(os.urandom(100_000))
    weights.chmod(0o640)
    before = weights.read_bytes()
    copy_model(tmp_path / "model", tmp_path / "copy")
    with weights.open("r+b") as file:  # in place, as some scripts write
        file.write(b"changed")
    copy = tmp_path / "copy/weights"
    assert copy.read_bytes() == before
    assert copy.stat().st_mode == weights.stat().st_mode
    assert copy.stat().st_nlink == 1


def test_blocks_are_shared_where_the_file_system_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ioctl(copy: BinaryIO, request: int, source: int) -> int:
        """What the kernel does for FICLONE."""
        assert request == 0x40049409
        asked.append(str(Path(f"/proc/self/fd/{source}").readlink()))
        return copy.write(os.pread(source, 1000, 0))

    asked: list[str] = []
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").write_text("w")
    monkeypatch.setattr("fcntl.ioctl", ioctl)
    copy_model(tmp_path / "model", tmp_path / "copy")
    assert asked == [str(tmp_path / "model/weights")]
    assert (tmp_path / "copy/weights").read_text() == "w"
