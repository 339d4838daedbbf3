"""Files already in the model directory are not the model of a new attempt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autofinetune.run.attempts import make_empty
from autofinetune.store.paths import RunPaths


def nothing(path: Path) -> None:
    path.parent.mkdir()


def file(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("weights")


def link(path: Path) -> None:
    path.parent.mkdir()
    (path.parent / "elsewhere").mkdir()
    (path.parent / "elsewhere" / "kept").touch()
    path.symlink_to("elsewhere")


def directory(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "weights").touch()


@pytest.mark.parametrize("left", [nothing, file, link, directory])
def test_an_attempt_begins_with_an_empty_directory(
    tmp_path: Path, left: Callable[[Path], None]
) -> None:
    path = tmp_path / "round0" / "model-0"
    left(path)
    make_empty(RunPaths(tmp_path), 0, 0)
    assert path.is_dir() and not path.is_symlink()
    assert list(path.iterdir()) == []
    assert (path.parent / "log-0.info").read_bytes() == b""
    if left is link:
        assert (path.parent / "elsewhere" / "kept").exists()


def test_the_size_of_the_log_is_where_an_attempt_begins(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    assert make_empty(paths, 0, 0) == 0
    paths.trial_log(0, 0).write_text("first")
    assert make_empty(paths, 0, 0) == 5
    assert paths.trial_log(0, 0).read_text() == "first"
    paths.trial_log(0, 0).unlink()
    paths.trial_log(0, 0).mkdir()
    assert make_empty(paths, 0, 0) == 0
