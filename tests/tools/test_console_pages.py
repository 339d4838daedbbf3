"""Pages in docs/ show what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.console_pages import DOCS, PAGES, output_of, replaced

# The others depend on the machine, or take minutes.
SHOWN = ("autofinetune init train.py", "cat hparam.yaml")


def test_the_draft_on_the_page_is_that_of_the_code(tmp_path: Path) -> None:
    text = (DOCS / "first_run.md").read_text()
    blocks = dict(re.findall(r"```console\n\$ (.*)\n((?:.*\n)*?)```", text))
    kept = re.sub(r"```console\n\$ (.*)\n(?:.*\n)*?```",
                  lambda block: block[0] if block[1] in SHOWN else "", text)  # fmt: skip
    for command in SHOWN:
        shown = f"```console\n$ {command}\n{blocks[command]}```"
        assert shown in kept
    assert replaced(kept, tmp_path) == kept, "run: python tools/console_pages.py"


def test_places_of_this_machine_are_replaced(tmp_path: Path) -> None:
    assert output_of("pwd; echo 'x  '; which python", tmp_path) == "~\nx\n.venv/bin/python\n"


def test_a_command_that_fails_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="exit 3 failed with 3"):
        output_of("exit 3", tmp_path)
    assert output_of("echo wrong; exit 2", tmp_path, may_fail=True) == "wrong\n"


def test_commands_of_a_page_share_a_folder(tmp_path: Path) -> None:
    text = "<!-- before:\necho one >file\n-->\n```console\n$ cat file\n$ rm file\n$ ls\nold\n```\n"
    new = text.replace("cat file\n", "cat file\none\n").replace("ls\nold\n", "ls\n")
    assert replaced(text, tmp_path) == new


@pytest.mark.parametrize("name", PAGES)
def test_pages_have_output(name: str) -> None:
    blocks = re.findall(r"```console\n(.*?)```", (DOCS / f"{name}.md").read_text(), re.DOTALL)
    assert blocks
    assert all(block.startswith("$ ") for block in blocks)
