"""docs/throughput.md: what each part printed when it was measured last."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Mapping
from pathlib import Path

TITLES: Mapping[str, str] = {
    "busy": "How busy slots are",
    "first_line": "From a free slot to the first line of the next train.py",
    "overhead": "What a trial costs besides its own script",
    "flat": "Whether trials cost more the more there were",
    "status": "How soon the status of a large run is told",
    "gpu": "With a GPU",
}
HEAD = """\
# Throughput

How much of the time of the slots is training, and what the tuner adds. Every block is what
`python -m benchmarks.throughput PART` printed; `--page=docs/throughput.md` writes it here. Other
work on the machine makes all of it worse, so the load before each measurement is told.
"""


def put(page: Path, part: str, command: str, text: str) -> None:
    """Put what a part printed into the page, instead of what it printed before."""
    sections = _sections(page.read_text()) if page.exists() else {}
    sections[TITLES[part]] = (
        f"{datetime.date.today().isoformat()}, commit {_commit(page)}:\n\n"
        f"```\n$ python -m benchmarks.throughput {command}\n{text.rstrip()}\n```\n"
    )
    parts = [f"## {title}\n\n{sections[title]}" for title in TITLES.values() if title in sections]
    missing = [title for title in TITLES.values() if title not in sections]
    if missing:
        parts.append("Not measured yet: " + "; ".join(missing) + ".\n")
    page.write_text("\n".join([HEAD, *parts]))


def _sections(text: str) -> dict[str, str]:
    """Title to content."""
    found = {}
    for part in text.partition("\nNot measured yet: ")[0].split("\n## ")[1:]:
        title, _, content = part.partition("\n\n")
        found[title] = content
    return found


def _commit(page: Path) -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=page.absolute().parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "unknown"
