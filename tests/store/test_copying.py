"""Copies of models: the same files, without special files."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from autofinetune.sinks.best_model import describe_files
from autofinetune.store import copying
from autofinetune.store.copying import copy_model, make_writable, remove_tree


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
    remove_tree(tmp_path / "tree")  # it is already gone
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
    def ioctl(copy: int, request: int, source: int) -> int:
        """Imitate the kernel's FICLONE."""
        assert request == 0x40049409
        asked.append(str(Path(f"/proc/self/fd/{source}").readlink()))
        return os.write(copy, os.pread(source, 1000, 0))

    asked: list[str] = []
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").write_text("w")
    monkeypatch.setattr("fcntl.ioctl", ioctl)
    copy_model(tmp_path / "model", tmp_path / "copy")
    assert asked == [str(tmp_path / "model/weights")]
    assert (tmp_path / "copy/weights").read_text() == "w"


MIB = 1 << 20


def make_sparse(path: Path, size: int, *places: int) -> None:
    """Make a file of `size` bytes with 4 KiB written at each place."""
    with path.open("wb") as file:
        for place in places:
            file.seek(place)
            file.write(os.urandom(4096))
        file.truncate(size)


def allocated(path: Path) -> int:
    return path.stat().st_blocks * 512


@pytest.mark.parametrize("places", [(), (0,), (0, 40 * MIB), (5 * MIB, 64 * MIB - 4096)])
def test_holes_stay_holes(tmp_path: Path, places: tuple[int, ...]) -> None:
    (tmp_path / "model").mkdir()
    make_sparse(tmp_path / "model/weights", 64 * MIB, *places)
    copy_model(tmp_path / "model", tmp_path / "copy")
    assert allocated(tmp_path / "copy/weights") <= 1 * MIB
    assert (tmp_path / "copy/weights").read_bytes() == (tmp_path / "model/weights").read_bytes()


def test_a_file_system_that_can_do_nothing_itself_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without reflinks, holes or copies inside the kernel."""

    def refuse(*words: object) -> int:
        raise OSError(errno.EXDEV, "refused")

    (tmp_path / "model").mkdir()
    make_sparse(tmp_path / "model/weights", 20 * MIB, 0, 18 * MIB)
    for name in ("copy_file_range", "lseek"):
        monkeypatch.setattr(os, name, refuse)
    copy_model(tmp_path / "model", tmp_path / "copy")
    assert (tmp_path / "copy/weights").read_bytes() == (tmp_path / "model/weights").read_bytes()


def test_a_file_that_gets_shorter_meanwhile_is_copied_as_far_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").write_bytes(b"w" * 1000)
    monkeypatch.setattr(os, "copy_file_range", lambda *words: 0)
    copy_model(tmp_path / "model", tmp_path / "copy")
    assert (tmp_path / "copy/weights").stat().st_size == 1000


def test_an_error_of_the_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").write_bytes(b"w")
    monkeypatch.setattr(os, "copy_file_range", refuse)
    with pytest.raises(OSError, match="full"):
        copy_model(tmp_path / "model", tmp_path / "copy")


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no longer a regular file"):
        copying._copy_file(str(tmp_path / "pipe"), str(tmp_path / "copy"))


def synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, library: object
) -> tuple[int, int]:
    """Return how often a copy of this many files calls fsync and syncfs."""
    fsync, calls = os.fsync, {"fsync": 0, "syncfs": 0}

    def count_fsync(descriptor: int) -> None:
        calls["fsync"] += 1
        fsync(descriptor)

    def syncfs(descriptor: int) -> int:
        calls["syncfs"] += 1
        return library.syncfs(descriptor)  # type: ignore[attr-defined, no-any-return]

    (tmp_path / "model").mkdir()
    for number in range(count):
        (tmp_path / f"model/{number}").touch()
    made = SimpleNamespace(syncfs=syncfs) if hasattr(library, "syncfs") else SimpleNamespace()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", count_fsync)
        patched.setattr(ctypes, "CDLL", lambda *words, **more: made)
        copy_model(tmp_path / "model", tmp_path / "copy")
    return calls["fsync"], calls["syncfs"]


def test_many_files_are_put_on_disk_by_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert synced(tmp_path, monkeypatch, 200, ctypes.CDLL(None)) == (0, 1)


def test_few_files_are_put_on_disk_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert synced(tmp_path, monkeypatch, 3, ctypes.CDLL(None)) == (4, 0)


def failing(code: int) -> SimpleNamespace:
    def syncfs(descriptor: int) -> int:
        ctypes.set_errno(code)
        return -1

    return SimpleNamespace(syncfs=syncfs)


def test_without_that_call_many_files_are_put_on_disk_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (library, calls) in enumerate([(object(), 0), (failing(errno.ENOSYS), 1)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert synced(folder, monkeypatch, 200, library) == (201, calls)


def test_a_disk_that_fails_all_files_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        synced(tmp_path, monkeypatch, 200, failing(errno.EIO))
