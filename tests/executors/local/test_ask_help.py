"""Running `--help` ends only when all processes that the script left behind are gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autofinetune.executors.local import ask_help as preflight
from autofinetune.executors.local.ask_help import HelpText, ask_for_options, named_options
from autofinetune.runner.processes import start_time


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory for temporary directories; it must be empty again afterwards."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def ask(code: str, folder: Path, *words: str, timeout_s: float = 60.0) -> HelpText:
    command = [*(words or (sys.executable, "-c", code))]
    return ask_for_options(
        command, working_dir=str(folder), env=dict(os.environ), timeout_s=timeout_s
    )


def test_what_the_script_leaves_behind_is_ended(tmp_path: Path) -> None:
    code = (
        "import subprocess\n"
        "left = subprocess.Popen(['env', '-i', 'setsid', 'sleep', '1000'])\n"
        "open('left', 'w').write(str(left.pid))\n"
        "print('usage: x [-h] --rate RATE')"
    )
    found = ask(code, tmp_path)
    assert found.options == {"rate"}
    assert found.problem == ""
    assert start_time(int((tmp_path / "left").read_text())) is None


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "cannot be started" in ask("", tmp_path, "/no/such/program").problem


@pytest.mark.parametrize("stop", ["", "os.kill(os.getppid(), signal.SIGSTOP)\n"])
def test_the_time_limit_holds(tmp_path: Path, stop: str) -> None:
    """Even if the script stops the process that watches it."""
    found = ask(f"import os, signal, time\n{stop}time.sleep(1000)", tmp_path, timeout_s=0.5)
    assert found.problem == "it was still running after 0.5 s"


def test_a_script_that_kills_its_runner_has_told_nothing(tmp_path: Path) -> None:
    code = "import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(1000)"
    assert "still running" in ask(code, tmp_path).problem


def test_an_output_that_is_no_file_is_none(tmp_path: Path, scratch: Path) -> None:
    code = (
        f"import glob, os\nname, = glob.glob({str(scratch)!r} + '/*/output')\n"
        "os.unlink(name); os.mkdir(name)"
    )
    assert ask(code, tmp_path).problem == "it listed no options (exit code 0)"


def test_who_cannot_start_a_process_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*words: object, **more: object) -> None:
        raise OSError(11, "no room")

    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    monkeypatch.setattr(preflight, "start_runner", refuse)
    with pytest.raises(OSError, match="no room"):
        ask("", tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_script_that_crashes_is_told(tmp_path: Path) -> None:
    found = ask("print('usage: x --rate RATE', flush=True); 1 / 0", tmp_path)
    assert found.problem == "it crashed (exit code 1)"
    assert "ZeroDivisionError" in found.output


def test_options_in_prose_are_not_declared() -> None:
    text = """usage: x [--rate RATE]
         [--[no-]warm]

Trains a model. It used to have --momentum.

options:
  -d, --data FILE  as --input had it
"""
    assert named_options(text) == {"rate", "warm", "data"}
