"""docs/json.md names every field that the commands print, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Workplace
from tests.runs import Written, mixed

PAGE = Path(__file__).parent.parent.parent / "docs/json.md"
SECTIONS = dict(
    re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
)
# What the fields of a command are added to.
BEYOND = {"best": "show", "compare": "ls"}
COMMANDS = {
    "status": ("status", "result"),
    "show": ("show", "result", "1"),
    "best": ("best", "result"),
    "logs": ("logs", "result", "1"),
    "ls": ("ls",),
    "compare": ("compare", "result"),
    "lineage": ("lineage", "result", "1"),
    "prune": ("prune", "result", "--dry-run"),
}


def tabled(section: str) -> list[str]:
    """Return the fields in the table of a section."""
    rows = re.findall(r"^\| (`.*?) \|", SECTIONS[section], re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def example(section: str) -> Any:
    (block,) = re.findall(r"```json\n(.*?)```", SECTIONS[section], re.DOTALL)
    return json.loads(block)


def shape(value: Any) -> Any:
    """Return the fields of objects, of the first of several in an array."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None


@pytest.mark.parametrize("section", COMMANDS)
def test_the_fields_of_a_command_are_documented(workplace: Workplace, section: str) -> None:
    run = Written(workplace.root / "result")
    run.trial(0, 0.5, mixed())
    run.created(1, 0, **mixed())
    run.started(1)
    run.reported(1, 0.5)
    run.ended(1, 0.6)
    run.log(1, "line\n")
    run.done()
    done = workplace.run(*COMMANDS[section], "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    one = found[0] if isinstance(found, list) else found
    shown = example(section)
    shown = shown[0] if isinstance(shown, list) else shown
    assert list(one) == list(shown)
    for name in one.keys() - {"params", "changed", "best", "ancestors", "schedule"}:
        assert not (one[name] and shown[name]) or shape(one[name]) == shape(shown[name]), name
    fields = tabled(section)
    if section in BEYOND:
        fields += tabled(BEYOND[section])
    assert set(fields) == {*one} | ({"copied_to"} if section == "best" else set())


def test_every_command_with_json_is_on_the_page() -> None:
    assert SECTIONS.keys() >= {*COMMANDS, "export", "rerun"}
