"""The empty model directory: scripts write into it or create it, and nothing else changes."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autofinetune.adapters import paddlehub
from autofinetune.trial import directory


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory, as a trial finds it."""
    folder = tmp_path / "round0" / "model-0"
    folder.mkdir(parents=True)
    monkeypatch.setenv(directory.VARIABLE, str(folder))
    monkeypatch.setattr(os, "mkdir", os.mkdir)
    monkeypatch.setattr(shutil, "move", shutil.move)
    accessor = getattr(pathlib, "_NormalAccessor", None)  # of Python 3.10
    if accessor is not None:
        monkeypatch.setattr(accessor, "mkdir", accessor.mkdir)
    directory.admit_makers()
    paddlehub.on_shutil(shutil)
    return folder


@pytest.fixture
def best(tmp_path: Path) -> Path:
    """The model that the script has trained."""
    folder = tmp_path / "ckpt" / "best_model"
    folder.mkdir(parents=True)
    (folder / "weights").write_text("w")
    return folder


def test_a_tree_is_copied_there(model: Path, best: Path) -> None:
    shutil.copytree(best, model)
    assert (model / "weights").read_text() == "w"


def test_a_tree_is_moved_there_and_not_into_it(model: Path, best: Path) -> None:
    shutil.move(str(best), str(model))
    assert (model / "weights").read_text() == "w"
    assert not best.exists()


def test_a_move_that_fails_leaves_the_directory(model: Path) -> None:
    with pytest.raises(OSError, match="into itself"):
        shutil.move(str(model.parent), str(model))
    assert model.is_dir()


MAKERS: list[Callable[[str], None]] = [
    lambda path: os.mkdir(path),  # noqa: PTH102
    lambda path: os.makedirs(path),  # noqa: PTH103
    lambda path: Path(path).mkdir(),
]


@pytest.mark.parametrize("make", MAKERS)
def test_it_is_made_once_more_while_it_is_empty(model: Path, make: Callable[[str], None]) -> None:
    make(str(model))
    (model / "weights").touch()
    with pytest.raises(FileExistsError):
        make(str(model))


def test_a_relative_name_is_the_same_directory(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model.parent)
    Path("model-0").mkdir()


def test_other_directories_are_as_always(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(FileExistsError):
        other.mkdir()
    with pytest.raises(FileExistsError):
        os.makedirs(model.parent)  # noqa: PTH103
    with pytest.raises(FileNotFoundError):
        (tmp_path / "not" / "there").mkdir()
    (tmp_path / "moved").mkdir()
    assert shutil.move(str(tmp_path / "moved"), str(other)) == str(other / "moved")


def test_nothing_changes_outside_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(directory.VARIABLE, raising=False)
    before = os.mkdir
    directory.admit_makers()
    assert os.mkdir is before
