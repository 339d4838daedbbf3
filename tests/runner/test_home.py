"""An attempt's directory is found wherever it is, and created again if it was deleted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from autofinetune.runner.home import Home


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "result" / "trials" / "7" / "attempt-1"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def home(directory: Path) -> Iterator[Home]:
    made = Home(str(directory))
    yield made
    for descriptor in (made._top, made._own):
        os.close(descriptor)


def test_it_is_the_same_when_all_of_it_is_moved(home: Home, tmp_path: Path) -> None:
    (tmp_path / "result").rename(tmp_path / "moved")
    assert home.is_in_place()
    Path(home.path, "file").touch()
    assert (tmp_path / "moved/trials/7/attempt-1/file").exists()


@pytest.mark.parametrize("gone", ["trials", "trials/7", "trials/7/attempt-1"])
def test_what_was_deleted_is_made_again(home: Home, tmp_path: Path, gone: str) -> None:
    shutil.rmtree(tmp_path / "result" / gone)
    assert not home.is_in_place()
    assert not home.is_forgotten()
    home.bring_back()
    assert home.is_in_place()
    Path(home.path, "file").touch()
    assert (tmp_path / "result/trials/7/attempt-1/file").exists()


def test_what_lies_in_its_place_steps_aside(home: Home, directory: Path, tmp_path: Path) -> None:
    directory.rename(tmp_path / "away")
    (tmp_path / "precious").mkdir()
    directory.symlink_to(tmp_path / "precious")
    assert not home.is_in_place()
    home.bring_back()
    Path(home.path, "file").touch()
    assert (directory / "file").exists()
    assert list((tmp_path / "precious").iterdir()) == []
    assert Path(f"{directory}.{os.getpid()}.moved").is_symlink()


def test_without_the_output_directory_nothing_is_made(home: Home, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "result")
    assert home.is_forgotten()
    with pytest.raises(FileNotFoundError):
        home.bring_back()
    assert not (tmp_path / "result").exists()


def test_a_link_is_no_directory_of_an_attempt(directory: Path) -> None:
    (directory.parent / "attempt-2").symlink_to(directory)
    with pytest.raises(OSError, match="attempt-2"):
        Home(str(directory.parent / "attempt-2"))
