"""Errors of the dashboard before it listens; its pages are tested in tests/sinks."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.cli import main


def refusal(folder: Path, capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    assert main(["dashboard", str(folder), "--port=0"]) == code
    return capsys.readouterr().err


def test_a_directory_without_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no visualization directory" in refusal(tmp_path, capsys)


def test_a_link_in_the_place_of_the_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "private").mkdir()
    run = tmp_path / "result"
    run.mkdir(mode=0o700)
    (run / "visualization").symlink_to(tmp_path / "private")
    assert "is a link, which is not followed" in refusal(run, capsys)


def test_a_directory_that_others_can_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "visualization").mkdir()
    tmp_path.chmod(0o777)
    assert "cannot be trusted" in refusal(tmp_path, capsys, code=4)
