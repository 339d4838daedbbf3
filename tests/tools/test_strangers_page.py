"""docs/strangers.md is what the record of its tests says, and those tests are there."""

from __future__ import annotations

import json
from pathlib import Path

from tools.strangers_page import page

ROOT = Path(__file__).parents[2]
RECORD = json.loads((ROOT / "docs/strangers.json").read_text(encoding="utf-8"))


def test_the_page_is_the_record() -> None:
    assert (ROOT / "docs/strangers.md").read_text(encoding="utf-8") == page(RECORD)


def test_every_row_is_a_test() -> None:
    for row in RECORD["rows"]:
        file, _, name = row["test"].partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8")


def test_what_fails_is_not_called_unchanged() -> None:
    case = {"tool": "A", "what": "b", "packages": ["c"], "test": "d::e", "passed": True}
    record = {"versions": {"Python": "3", "c": "1.0"}, "rows": [case, {**case, "passed": False}]}
    assert "| A | b | c 1.0 | 1 of 2 cases |" in page(record)
    record["rows"] = [{**case, "passed": False}]
    assert "| A | b | c 1.0 | no |" in page(record)
