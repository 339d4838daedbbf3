"""What a directory's .gitignore and .autofinetuneignore leave out."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

IGNORE = (".gitignore", ".autofinetuneignore")


@dataclass(frozen=True)
class Rule:
    """A line of a .gitignore: https://git-scm.com/docs/gitignore; `base` is its directory."""

    base: str
    pattern: re.Pattern[str]
    is_kept: bool
    only_folders: bool


def rules_in(folder: Path, base: str) -> Iterator[Rule]:
    """Yield the rules of a directory; `base` is its path from the top, with a slash at the end."""
    for name in IGNORE:
        try:
            lines = (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in map(str.strip, lines):
            if line and not line.startswith("#"):
                text = line.lstrip("!")
                anchor = "" if "/" in text.rstrip("/") else "(?:.*/)?"
                pattern = re.compile(anchor + _regex(text.strip("/")))
                yield Rule(base, pattern, line.startswith("!"), text.endswith("/"))


def _regex(text: str) -> str:
    """Translate a pattern in which `*` does not cross a slash and `**` does."""
    parts = re.split(r"(\*\*/|/\*\*|\*)", text)
    crossing = {"**/": "(?:.*/)?", "/**": "/.*", "*": "[^/]*"}
    plain = (fnmatch.translate(part)[4:-3] if part else "" for part in parts)
    return "".join(crossing.get(part) or one for part, one in zip(parts, plain, strict=True))


def is_ignored(rules: Sequence[Rule], way: str, is_folder: bool) -> bool:
    """Whether the last rule that fits this path leaves it out."""
    found = False
    for rule in rules:
        if (
            way.startswith(rule.base)
            and (is_folder or not rule.only_folders)
            and rule.pattern.fullmatch(way[len(rule.base) :])
        ):
            found = not rule.is_kept
    return found
