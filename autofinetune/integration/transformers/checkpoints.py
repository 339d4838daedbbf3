"""The directories of the trials' checkpoints: `run-3` or what hp_name says, below one directory.

A file in each says which trial of which search it belongs to, so that nothing else is removed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.errors import UsageError
from autofinetune.store.directory import read_file, write_atomically

from .search_trial import SearchTrial

SEARCH = "search"
_MARK = ".autofinetune.json"


@dataclass(frozen=True)
class RunDirectories:
    """The directories `run-<number>` below `at`; `hp_name` may give them other names."""

    at: Path
    hp_name: Callable[[Any], str] | None = None

    def of(self, trial: SearchTrial) -> str:
        """Return the directory of a trial; raise UsageError if hp_name gives no plain name."""
        if self.hp_name is None:
            return str(self.at / f"run-{trial.number}")
        name = self.hp_name(trial)
        if not isinstance(name, str) or name in ("", ".", "..", SEARCH) or set(name) & {"/", "\0"}:
            raise UsageError(
                f"hp_name returned {name!r} for trial {trial.number}; it must be the name of a "
                f"directory, without /, and not {SEARCH}"
            )
        return str(self.at / name)

    def check_free(self) -> None:
        """Raise UsageError if there are directories of an earlier search."""
        found = sorted(self.at.glob("run-*")) if self.hp_name is None else []
        if found:
            raise UsageError(
                f"{found[0]} is of an earlier search",
                "give another output_dir, or remove it; resume=True continues an earlier search",
            )

    def take(self, trial: SearchTrial, run: str) -> None:
        """Make the directory of a trial, empty after an earlier attempt of the same trial.

        Raise UsageError if it belongs to something else.
        """
        folder, mark = Path(self.of(trial)), _mark(run, trial.number)
        if folder.is_symlink() or (folder.exists() and _read(folder) != mark):
            raise UsageError(
                f"{folder} exists, and is not of this trial",
                "hp_name must give each trial another name, or give another output_dir",
            )
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        write_atomically(folder / _MARK, mark)

    def remove(self, trials: Iterable[SearchTrial], run: str) -> None:
        """Remove the directories of these trials of a run."""
        for trial in trials:
            folder = Path(self.of(trial))
            if not folder.is_symlink() and _read(folder) == _mark(run, trial.number):
                shutil.rmtree(folder, ignore_errors=True)


def _mark(run: str, number: int) -> bytes:
    return json.dumps({"run": run, "trial": number}).encode()


def _read(folder: Path) -> bytes:
    try:
        return read_file(folder / _MARK)
    except OSError:
        return b""
