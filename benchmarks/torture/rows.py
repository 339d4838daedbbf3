"""What a part found, and where: the rows of the page, kept in a JSON file."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from autofinetune.version import __version__

MOST_EXAMPLES = 20


@dataclass
class Outcome:
    """What a part, or a piece of it, came to; outcomes of pieces can be added up.

    `done` counts what was done, `violations` are pairs of kind and sentence, `worst` holds the
    largest of each measure, `samples` all of them.
    """

    done: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[str, str]] = field(default_factory=list)
    worst: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, more: Outcome) -> None:
        self.done.update(more.done)
        self.violations += more.violations
        for name, value in more.worst.items():
            self.see(name, value)
        for name, values in more.samples.items():
            self.samples.setdefault(name, []).extend(values)

    def see(self, name: str, value: float) -> None:
        self.worst[name] = max(value, self.worst.get(name, value))

    def violate(self, kind: str, sentence: str) -> None:
        self.violations.append((kind, sentence))


@dataclass(frozen=True)
class Row:
    """One row of the page: what a part found, where and when."""

    part: str
    title: str
    allowed: str
    seed: int
    commit: str
    date: str
    machine: str
    load: float = 0.0  # of the machine, before the part began
    skipped: str = ""
    done: str = ""
    found: str = ""
    violations: Mapping[str, int] = field(default_factory=dict)
    examples: Sequence[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_violated(self) -> bool:
        return any(self.violations.values())


def read_rows(path: Path) -> list[Row]:
    """The rows of earlier calls, none when there is no such file."""
    if not path.exists() or path.stat().st_size == 0:
        return []
    return [Row(**row) for row in json.loads(path.read_text())["rows"]]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    path.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=1) + "\n")


def merged(old: Sequence[Row], new: Sequence[Row], order: Sequence[str]) -> list[Row]:
    """A part that was run again replaces its row."""
    rows = {row.part: row for row in [*old, *new]}
    return [rows[part] for part in order if part in rows]


# --- where --------------------------------------------------------------------------------------


def commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], check=False, capture_output=True, text=True)
        return done.stdout.strip()

    if shutil.which("git") is None or not git("rev-parse", "HEAD"):
        return f"version {__version__}"
    # The page itself is no change of what was measured.
    others = git("status", "--short", "--", ".", ":!docs/reliability.*")
    return git("rev-parse", "--short", "HEAD") + (" and changes" if others else "")


def today() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d")


def machine() -> str:
    """What may matter of this machine, in one line."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (
        f"{os.cpu_count()} cores, {pages / 2**30:.0f} GiB of memory, Linux "
        f"{platform.release()}, {file_system(Path(tempfile.gettempdir()))}, "
        f"Python {sys.version.split()[0]}"
    )


def file_system(path: Path) -> str:
    """The kind of file system that holds a path."""
    kinds = {}
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind = line.split()[:3]
        kinds[Path(place)] = kind
    return next((kinds[p] for p in [path.resolve(), *path.resolve().parents] if p in kinds), "?")
