"""What hinders the tuner, for other processes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from autofinetune.core.events import RunEnded
from autofinetune.core.state import State
from autofinetune.sinks.waits import Waits, read_waits
from autofinetune.store.paths import RunPaths


def test_they_are_there_as_long_as_they_hinder(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    waits = Waits(paths)
    assert read_waits(paths) == ()
    waits.obstacles(("slot 1 waits: é", "paused"))
    assert read_waits(paths) == ["slot 1 waits: é", "paused"]
    waits.obstacles(("paused",))
    assert read_waits(paths) == ["paused"]
    waits.obstacles(())
    assert not paths.waits.exists()


def test_those_of_a_tuner_that_was_killed_are_removed(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    Waits(paths).obstacles(("paused",))
    assert paths.waits.exists()
    Waits(paths)
    assert not paths.waits.exists()
    waits = Waits(paths)
    waits.obstacles(("paused",))
    waits.handle(RunEnded(1.0, "done"), State())
    assert not paths.waits.exists()


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", '"text"', "[" * 5000])
def test_what_others_wrote_there_is_nothing(text: str, tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    paths.waits.write_text(text)
    assert read_waits(paths) == ()


def test_links_are_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text('["secret"]')
    (tmp_path / "run").mkdir()
    paths = RunPaths(tmp_path / "run")
    paths.waits.symlink_to(target)
    assert read_waits(paths) == ()
    waits = Waits(paths)
    paths.waits.symlink_to(target)
    waits.obstacles(("paused",))
    assert stat.S_ISREG(os.lstat(paths.waits).st_mode)
    assert target.read_text() == '["secret"]'


def test_a_directory_that_cannot_be_written_is_no_problem(tmp_path: Path) -> None:
    Waits(RunPaths(tmp_path / "gone")).obstacles(("paused",))
