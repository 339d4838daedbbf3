"""Leases of cards between runs; the executor's tests hold them across processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autofinetune.errors import EnvironmentProblem
from autofinetune.executors.devices.lease import Leases


def test_one_holds_a_device_at_a_time(tmp_path: Path) -> None:
    one, two = Leases(str(tmp_path / "a/b")), Leases(str(tmp_path / "a/b"))
    assert one.take(["GPU-1"]) == one.take(["GPU-1"]) == two.take(["GPU-2"]) == ""
    assert two.take(["GPU-1"]) == (
        f"{tmp_path}/a/b/GPU-1.lock is held by another run, or by trials from before `resume`"
    )
    assert len(one.descriptors(["GPU-1"])) == 1
    assert one.descriptors(["GPU-2"]) == ()
    one.close()
    assert two.take(["GPU-1"]) == ""
    two.close()
    assert (tmp_path / "a/b").stat().st_mode & 0o7777 == 0o1777


def test_leases_of_devices_that_are_not_kept_are_released(tmp_path: Path) -> None:
    one, two = Leases(str(tmp_path)), Leases(str(tmp_path))
    assert one.take(["GPU-0", "GPU-1"]) == ""
    one.keep(["GPU-1", "GPU-7"])
    assert two.take(["GPU-0"]) == ""
    assert "is held" in two.take(["GPU-1"])
    one.close()
    two.close()


def test_of_a_group_all_or_none_are_held(tmp_path: Path) -> None:
    one, two, three = (Leases(str(tmp_path)) for _ in range(3))
    assert one.take(["GPU-2"]) == two.take(["GPU-0"]) == ""
    assert "GPU-2.lock is held" in two.take(["GPU-0", "GPU-1", "GPU-2"])
    assert "GPU-0.lock is held" in three.take(["GPU-1", "GPU-0"])
    assert three.take(["GPU-1"]) == ""
    one.close()
    three.close()
    assert two.take(["GPU-0", "GPU-1", "GPU-2"]) == ""
    assert len(two.descriptors(["GPU-0", "GPU-2", "GPU-7"])) == 2
    two.close()


def test_without_a_directory_or_a_device_there_is_nothing_to_wait_for() -> None:
    leases = [Leases("") for _ in range(2)]
    assert [one.take(["GPU-1"]) for one in leases] == ["", ""]
    assert leases[0].descriptors(["GPU-1"]) == ()


def test_the_processor_needs_no_lease(tmp_path: Path) -> None:
    assert Leases(str(tmp_path)).take([]) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="cannot be created"):
        Leases(str(tmp_path / "file/leases"))


def test_a_lease_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "GPU-1.lock").symlink_to("/etc/passwd")
    assert "cannot be opened" in Leases(str(tmp_path)).take(["GPU-1"])


def test_the_file_of_another_who_was_faster_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    def racing(path: Path, flags: int, mode: int = 0o777) -> int:
        opened.append(flags)
        if len(opened) == 1:
            raise FileNotFoundError
        if len(opened) == 2:
            path.touch()
        return real(path, flags, mode)

    real = os.open
    monkeypatch.setattr(os, "open", racing)
    leases = Leases(str(tmp_path))
    assert leases.take(["a,b"]) == ""
    assert (tmp_path / "a_b.lock").exists()
    leases.close()
