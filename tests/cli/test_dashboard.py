"""Errors of the dashboard before it listens; its pages are tested in tests/sinks."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from autofinetune.cli import main


def refusal(
    folder: Path, capsys: pytest.CaptureFixture[str], code: int = 2, of: str = "visualdl"
) -> str:
    assert main(["dashboard", str(folder), "--port=0", f"--of={of}"]) == code
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


def test_a_run_that_was_logged_to_other_tools_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlflow").mkdir()
    said = refusal(tmp_path, capsys)
    assert "has no visualization directory; it was logged to mlflow, see --of" in said


def test_a_tool_that_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(tmp_path, capsys, of="mlflo")
    assert said.splitlines()[0] == (
        "ERROR --of=mlflo is no tool that runs are logged to (did you mean 'mlflow'?)"
    )


def test_a_tool_without_pages_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(tmp_path, capsys, of="wandb")
    assert "--of=wandb has no pages on this machine" in said
    assert "wandb/offline-run-*" in said


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is not None, reason="mlflow is installed")
def test_a_tool_that_is_not_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(tmp_path, capsys, code=4, of="mlflow")
    assert said == (
        "ERROR --of=mlflow needs the package mlflow, which is not installed\n"
        "TIP   pip install 'autofinetune[mlflow]'\n"
    )


def test_a_tool_becomes_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a package that is not installed here, so the last step is only recorded."""
    tmp_path.chmod(0o700)
    (tmp_path / "trackio").mkdir()
    monkeypatch.setattr("autofinetune.library.Library.check", lambda library, what: None)
    started: list[tuple[list[str], str]] = []

    def become(program: str, words: list[str], env: dict[str, str]) -> None:
        started.append((words, env["TRACKIO_DIR"]))
        raise SystemExit(0)

    monkeypatch.setattr("os.execve", become)
    with pytest.raises(SystemExit):
        main(["dashboard", str(tmp_path), "--port=0", "--of=trackio"])
    ((words, folder),) = started
    port = words[-1]
    assert int(port) > 0
    assert folder == str(tmp_path / "trackio")
    said = capsys.readouterr().out
    assert said.startswith(f"Trackio starts at http://127.0.0.1:{port}/, for every user")
