"""Checks of the disk."""

from __future__ import annotations

import errno
import fcntl
import shutil
from pathlib import Path
from typing import Any

import pytest

from autofinetune.doctor import disk
from autofinetune.doctor.finding import Status


@pytest.mark.parametrize(
    ("free", "status"), [(9 << 30, Status.OK), (3 << 30, Status.WARNING), (0, Status.PROBLEM)]
)
def test_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: Status) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    (found,) = disk.space(tmp_path)
    assert found.status is status


def test_a_disk_that_works_is_left_as_it_was(tmp_path: Path) -> None:
    writing, locks = disk.writing(tmp_path)
    assert "ms for a durable write" in writing.text
    assert (locks.name, locks.status) == ("locks", Status.OK)
    assert list(tmp_path.iterdir()) == []


def test_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_SLOW_S", -1.0)
    writing, _ = disk.writing(tmp_path)
    assert writing.status is Status.WARNING


def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    (found,) = disk.writing(tmp_path / "gone")
    assert (found.status, "not writable" in found.text) == (Status.PROBLEM, True)


def test_locks_that_do_not_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda file, how: None)
    _, locks = disk.writing(tmp_path)
    assert (locks.status, "the same lock" in locks.text) == (Status.PROBLEM, True)

    def refused(file: Any, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    _, locks = disk.writing(tmp_path)
    assert "cannot be locked: No locks available" in locks.text


def test_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: "nfs4")
    writing, locks = disk.writing(tmp_path)
    assert writing.text.startswith("nfs4")
    assert locks.status is Status.WARNING


def test_the_type_of_a_file_system() -> None:
    assert disk.file_system(Path("/proc/self")) == "proc"
    assert disk.file_system(Path("/"))


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (found,) = disk.home()
    assert found.status is Status.OK
    monkeypatch.setenv("HOME", str(tmp_path / "gone"))
    (found,) = disk.home()
    assert found.status is Status.WARNING


def test_visualdl() -> None:
    (found,) = disk.visualdl()
    assert (found.status, "can be imported" in found.text) == (Status.OK, True)


def test_a_visualdl_that_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "visualdl.py").write_text("raise ImportError('no protobuf')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (found,) = disk.visualdl()
    assert found.status is Status.WARNING
    assert found.text == "cannot be imported: ImportError: no protobuf"
