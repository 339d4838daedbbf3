"""docs/support.md is what its record says; the search finds where passing begins."""

from __future__ import annotations

import importlib
import json

import pytest

from tools.support_page import _OF_CALLBACKS, LIBRARIES, PAGE, RECORD, ROOT, lowest, page

FOUND = json.loads(RECORD.read_text(encoding="utf-8"))


def test_the_page_is_the_record() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(FOUND)


def test_the_tests_are_there() -> None:
    for library in LIBRARIES:
        assert (ROOT / library.tests.partition("::")[0]).is_file()


@pytest.mark.parametrize("name", sorted(_OF_CALLBACKS))
def test_what_is_refused_is_older_than_what_was_tested(name: str) -> None:
    module = "transformers.callback" if name == "transformers" else _OF_CALLBACKS[name]
    least = importlib.import_module(f"autofinetune.integration.{module}").LEAST
    found = FOUND["uses"][f"`integration.{_OF_CALLBACKS[name]}`"]
    assert found["newest"]
    if found.get("lowest"):
        assert f"{found['lowest']}.".startswith(f"{least}.")


@pytest.mark.parametrize("first", range(6))
def test_the_search(first: int) -> None:
    versions = [f"1.{minor}" for minor in range(5)]
    tried = []

    def is_good(version: str) -> bool:
        tried.append(version)
        return versions.index(version) >= first

    assert lowest(versions, is_good) == (versions[first] if first < 5 else None)
    assert len(tried) <= 3
