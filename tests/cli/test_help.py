"""The help, short and long."""

from __future__ import annotations

import re

import pytest

from autofinetune.cli import main
from autofinetune.cli.commands import COMMANDS, GROUPS
from autofinetune.cli.help import command_help, long_help, short_help
from autofinetune.config.options import OPTIONS


def test_help_tells_the_documented_defaults() -> None:
    text = " ".join(long_help().split())
    assert "candidates per round (default: 5)" in text
    assert "number of rounds (default: 10)" in text
    assert "(default: populationbased)" in text
    assert "`autofinetune strategies` describes them (default: pshe2)" in text
    assert "exit codes: 0 done, 2 bad usage" in text
    assert all(f"--{name}" in text for name in OPTIONS)


def test_the_short_help_fits_on_a_screen() -> None:
    lines = short_help().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) < 84
    shown = {word.split("=")[0] for line in lines for word in line.split()[:1]}
    assert len({one for one in shown if one.startswith("--")}) == 10
    text = "\n".join(lines)
    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", text), name


def test_every_command_has_a_row_in_a_group() -> None:
    text = command_help()
    for name, command in COMMANDS.items():
        assert command.group in GROUPS
        assert command.usage.split()[0] == name
        assert re.search(rf"^  {name}\b", text, re.MULTILINE), name


def test_help_of_a_command_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["help", "status"])
    assert caught.value.code == 0
    assert "usage: autofinetune status" in capsys.readouterr().out


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    assert capsys.readouterr().out == command_help() + "\n"


def test_help_of_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "statsu"]) == 2
    assert "did you mean 'status'" in capsys.readouterr().err
