"""docs/first_run.md shows what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.first_run_page import PAGE, output_of, replaced

# The others depend on the machine, or take minutes.
SHOWN = ("autofinetune init train.py", "cat hparam.yaml")


def test_the_draft_on_the_page_is_that_of_the_code(tmp_path: Path) -> None:
    text = PAGE.read_text()
    blocks = dict(re.findall(r"```console\n\$ (.*)\n((?:.*\n)*?)```", text))
    kept = re.sub(r"```console\n\$ (.*)\n(?:.*\n)*?```",
                  lambda block: block[0] if block[1] in SHOWN else "", text)  # fmt: skip
    for command in SHOWN:
        shown = f"```console\n$ {command}\n{blocks[command]}```"
        assert shown in kept
    assert replaced(kept, tmp_path) == kept, "run: python tools/first_run_page.py"


def test_places_of_this_machine_are_replaced(tmp_path: Path) -> None:
    assert output_of("pwd; echo 'x  '; which python", tmp_path) == "~\nx\n.venv/bin/python\n"


def test_a_command_that_fails_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="returned non-zero exit status 3"):
        output_of("exit 3", tmp_path)
