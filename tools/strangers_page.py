"""Write docs/strangers.md from the record of `make strangers-page`.

Usage: python tools/strangers_page.py docs/strangers.json docs/strangers.md
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_HEAD = """\
# Scripts of other tools

Scripts that run without changing a character of them. `make strangers-page` writes this page: each
line is a test in `tests/strangers` that starts `autofinetune` on a script written for the tool,
with the library itself in the version named here and without a network. Where no package is named,
the tool's own package is not needed or, for PaddleHub, a stand-in with the same calls is used.

"Early stopping" means that `--assessor` ended a hopeless trial: the library left its training loop
in its own way and the script continued to its end or, without such a loop, exited with code 0.

"""


def page(record: Mapping[str, Any]) -> str:
    """Return the page in Markdown."""
    python = f"Measured with Python {record['versions']['Python']}."
    return "\n".join([_HEAD + python, *_table(record), ""])


def _table(record: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "| tool | what was run | with | runs unchanged |", "|---|---|---|---|")
    rows = sorted(record["rows"], key=lambda row: (row["tool"].lower(), row["what"]))
    for (tool, what), group in itertools.groupby(rows, lambda row: (row["tool"], row["what"])):
        cases = list(group)
        yield f"| {tool} | {what} | {_packages(record, cases)} | {_verdict(cases)} |"


def _packages(record: Mapping[str, Any], cases: Sequence[Mapping[str, Any]]) -> str:
    versions = record["versions"]
    return ", ".join(f"{name} {versions[name]}" for name in cases[0]["packages"])


def _verdict(cases: Sequence[Mapping[str, Any]]) -> str:
    failed = sum(not case["passed"] for case in cases)
    if not failed:
        return "yes"
    return "no" if failed == len(cases) else f"{len(cases) - failed} of {len(cases)} cases"


if __name__ == "__main__":
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(page(found), encoding="utf-8")
