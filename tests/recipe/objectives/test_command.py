"""The objective that is a command of the user's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autofinetune.errors import UsageError
from autofinetune.recipe.objectives import Processed, Settings
from autofinetune.recipe.objectives.command import Command


def score(folder: Path, command: str) -> float:
    Command.check(Settings(command=command))
    data = folder / "clean.jsonl"
    data.write_text("a\nb\nc\n")
    return Command(Settings(command=command)).score(Processed(data, lambda name: [], 4, 3))


def test_it_gets_the_path_and_the_last_number_counts(tmp_path: Path) -> None:
    assert score(tmp_path, "grep -c .") == 3.0
    assert score(tmp_path, "echo 7; wc -l <") == 3.0  # a line for a shell
    assert score(tmp_path, 'wc -l < "$1"; echo good') == 3.0


def test_a_report_counts_more_than_what_is_printed(tmp_path: Path) -> None:
    script = tmp_path / "judge.py"
    script.write_text("import autofinetune\nprint(1)\nautofinetune.report_final_result(0.5)\n")
    assert score(tmp_path, f"{sys.executable} {script}") == 0.5


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "is missing"),
        ("echo 'open", "objective_command"),
        ("false", "exit code 1"),
        ("echo good", "neither printed nor reported"),
    ],
)
def test_what_gives_no_number_is_said(tmp_path: Path, command: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        score(tmp_path, command)
