"""How far the uploads of a run have come: a file for `autofinetune status`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autofinetune.store.directory import read_file, write_atomically
from autofinetune.store.paths import RunPaths
from autofinetune.store.remote import AISTORE, scheme_of
from autofinetune.visible import counted

_MOST_BYTES = 1 << 20
_FEW = 3  # names in a sentence


@dataclass(frozen=True)
class Standing:
    """What is in the store and what is not, as of the time `at` (seconds since 1970).

    Attributes:
        url: the store.
        files: how many files of the run are there, verified; in AIStore, how many trials.
        size: their size in bytes.
        waiting: the names of files that are not there in their newest state.
        problem: why the last try failed; empty if it did not.
        stored_at: when the store got something last, 0 if never.
    """

    url: str
    at: float
    files: int = 0
    size: int = 0
    waiting: Sequence[str] = ()
    problem: str = ""
    stored_at: float = 0.0

    def sentence(self) -> str:
        """Return it in one line."""
        there = f"{counted(self.files, 'file')}, {bytes_of(self.size)}"
        if scheme_of(self.url) == AISTORE:
            there = counted(self.files, "trial")
        if not self.waiting:
            return f"{self.url}: up to date, {there}"
        why = f" ({self.problem})" if self.problem else ""
        return f"{self.url}: {there}; not there yet: {some(self.waiting)}{why}"


def some(names: Sequence[str]) -> str:
    """Return the first few of some names."""
    more = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {more} more" if more > 0 else "")


def bytes_of(size: int) -> str:
    """Return a size such as `3.4 MB`."""
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{size} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def write_standing(paths: RunPaths, standing: Standing) -> None:
    """Write the file; raise OSError if that fails."""
    record = json.dumps(dataclasses.asdict(standing))
    with paths.place.opened() as here:
        write_atomically(here / paths.standing.name, record.encode())


def read_standing(paths: RunPaths) -> Standing | None:
    """Return the standing of a run, None if there is none; the file may come from anybody."""
    try:
        with paths.place.opened() as here:
            found = json.loads(read_file(here / paths.standing.name, _MOST_BYTES))
        return _decoded(found)
    except (OSError, ValueError, RecursionError):
        return None


def _decoded(found: Any) -> Standing:
    if not isinstance(found, dict):
        raise ValueError("not an object")
    values: dict[str, Any] = {}
    kinds = {"url": str, "at": float, "files": int, "size": int, "problem": str,
             "stored_at": float}  # fmt: skip
    for name, kind in kinds.items():
        value = found.get(name)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise ValueError(f"{name} is not of the right type")
        values[name] = value
    waiting = found.get("waiting")
    if not isinstance(waiting, list) or not all(isinstance(name, str) for name in waiting):
        raise ValueError("waiting is no list of names")
    return Standing(**values, waiting=tuple(waiting))
