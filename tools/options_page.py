"""Writes the tables of options into README.md, between two marks."""

from __future__ import annotations

import re
from pathlib import Path

from autofinetune.config.option import GROUPS, RunOption
from autofinetune.config.options import OPTIONS

PAGE = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"(<!-- options -->\n).*?(<!-- end of options -->)", re.DOTALL)


def tables() -> str:
    """Return a table in Markdown for each group of options."""
    parts = []
    for group in GROUPS:
        rows = [_row(one) for one in OPTIONS.values() if one.group == group]
        head = f"| {group} | | default |\n|---|---|---|"
        parts.append("\n".join([head, *rows]))
    return "\n\n".join(parts) + "\n"


def _row(one: RunOption) -> str:
    default = _cell(one.shown_default, is_code=not one.unset)
    return f"| `--{one.name}` | {_cell(one.text)} | {default} |"


def _cell(text: str, *, is_code: bool = False) -> str:
    text = text.replace("|", "\\|").replace("<", "\\<")
    if is_code:
        return f"`{text}`" if text not in ("", "False") else ""
    return text


def replaced(page: str) -> str:
    """Return the page with the tables as they are now."""
    return _BLOCK.sub(lambda found: f"{found[1]}{tables()}{found[2]}", page)


if __name__ == "__main__":
    PAGE.write_text(replaced(PAGE.read_text()))
