"""The lock files, against the requirements they were made from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.requirements import requirements

ROOT = Path(__file__).parents[2]


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower()


@pytest.mark.parametrize(("lock", "extra"), [("demo", "demo"), ("dev", "dev"), ("oldest", "dev")])
def test_a_lock_holds_what_is_required(lock: str, extra: str) -> None:
    text = (ROOT / f"requirements/{lock}.txt").read_text()
    locked = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    assert {name_of(line) for line in requirements(extra)} <= locked


def test_everything_is_locked_by_hash_and_for_any_index() -> None:
    for lock in ROOT.glob("requirements/*.txt"):
        for entry in re.split(r"\n(?=\S)", lock.read_text()):
            assert "--hash=sha256:" in entry
        assert "://" not in lock.read_text()


def test_the_oldest_are_the_bounds() -> None:
    oldest = (ROOT / "requirements/oldest.txt").read_text()
    for line in requirements("dev"):
        name, bound = line.lower().split(">=")
        (found,) = re.findall(rf"^{re.escape(name)}==(\S+)", oldest, re.MULTILINE)
        assert found == bound or found.startswith(f"{bound}.")
