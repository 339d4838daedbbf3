"""Find all runs below a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autofinetune.errors import AutofinetuneError
from autofinetune.run.directories import existing_run
from autofinetune.run.overview import overview_of
from autofinetune.run.records import problem_record, run_record
from autofinetune.store.paths import RunPaths

MOST_DIRECTORIES = 20_000  # that are looked into
_JOURNAL = RunPaths(Path()).journal.name


def find_runs(root: Path, depth: int) -> Iterator[Path]:
    """Yield the directories at and below `root`, at most `depth` levels down, that hold a run.

    Links and hidden directories are not followed, and runs inside a run not looked for. Raise
    OSError if `root` cannot be listed; directories below it that cannot be are left out.
    """
    level, seen = [root], 0
    for left in range(depth, -1, -1):
        below: list[Path] = []
        for folder in level:
            seen += 1
            if seen > MOST_DIRECTORIES:
                return
            inner = _inner(folder, is_root=folder is root)
            if inner is None:
                yield folder
            elif left:
                below += inner
        level = below


def _inner(folder: Path, *, is_root: bool) -> list[Path] | None:
    """Return the directories in a directory in order, or None if it holds a run."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name == _JOURNAL:
                    return None
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                    found.append(folder / entry.name)
    except OSError:
        if is_root:
            raise
    return sorted(found)


def record_at(directory: Path) -> dict[str, Any]:
    """Return the record of the run in a directory, with a `problem` if it cannot be read."""
    try:
        with existing_run(directory) as paths:
            return run_record(overview_of(paths), paths)
    except AutofinetuneError as error:
        problem = error.message
    except OSError as error:
        problem = str(error)
    return problem_record(str(directory.absolute()), problem)
