"""What a store holds of a run: the manifest that names its files, and the names of both.

A file is stored as parts of at most `PART` bytes, each called after its SHA-256, in the folder
`parts`. A manifest `run-<number>.json` lists the files with their parts. A new one gets the next
number once all its parts are there; older ones and the parts that only they name are removed after
that. So the manifest with the highest number is always complete, whenever the writer is killed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

PART = 16 << 20
PARTS = "parts"
FILES = ("trials.csv", "log_file.txt", "config.yaml", "report.html", "best_model.json", "run.db")
TREES = ("best_model", "function")
MOST_BYTES = 64 << 20  # of a manifest
_FORMAT = "autofinetune store 1"
_MOST_FILES = 100_000
_MOST_SIZE = 1 << 44
_MOST_NAME = 1000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MANIFEST = re.compile(r"run-([0-9]{8})\.json")


class Folder(Protocol):
    """Of a store, what reading needs."""

    def names(self, folder: str) -> Mapping[str, int]: ...

    def get(self, name: str, most: int) -> bytes: ...


@dataclass(frozen=True)
class Stored:
    """A file in a store: its size in bytes, and the SHA-256 of each part."""

    size: int
    parts: tuple[str, ...]

    def size_of(self, index: int) -> int:
        """Return the size of a part."""
        return min(PART, self.size - index * PART)


@dataclass(frozen=True)
class Contents:
    """The files of a run in a store, by their names in its output directory.

    `run` is the name of the run, `at` the time in seconds since 1970.
    """

    run: str
    at: float
    files: Mapping[str, Stored]

    @property
    def size(self) -> int:
        return sum(one.size for one in self.files.values())


def is_part(name: str) -> bool:
    """Return whether a part may have this name."""
    return _DIGEST.fullmatch(name) is not None


def manifest_name(number: int) -> str:
    return f"run-{number:08d}.json"


def encode(contents: Contents) -> bytes:
    files = {
        name: {"size": one.size, "parts": list(one.parts)}
        for name, one in sorted(contents.files.items())
    }
    known = {"format": _FORMAT, "run": contents.run, "at": contents.at, "files": files}
    return f"{json.dumps(known, indent=1)}\n".encode()


def decode(data: bytes) -> Contents:
    """Return the contents that a manifest describes; raise ValueError if it is not sound.

    Anybody may have written it: names are those of an output directory, inside it, and sizes are
    bounded.
    """
    try:
        known = json.loads(data)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(known, dict) or known.get("format") != _FORMAT:
        raise ValueError(f"not of the format {_FORMAT!r}")
    run, at, files = (known.get(name) for name in ("run", "at", "files"))
    if not isinstance(run, str) or not isinstance(files, dict) or len(files) > _MOST_FILES:
        raise ValueError("damaged")
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        raise ValueError("damaged")
    found = {name: _stored(name, value) for name, value in files.items()}
    if any(folder in found for name in found for folder in _folders(name)):
        raise ValueError("a name is both a file and a folder")
    return Contents(run, float(at), found)


def _stored(name: str, value: Any) -> Stored:
    if not is_name(name):
        raise ValueError(f"{name!r:.60} is not the name of a file of a run")
    size, parts = (value.get("size"), value.get("parts")) if isinstance(value, dict) else (0, 0)
    if type(size) is not int or not 0 <= size <= _MOST_SIZE or not isinstance(parts, list):
        raise ValueError(f"{name!r:.60} has no sound size")
    if len(parts) != -(-size // PART):
        raise ValueError(f"{name!r:.60} has too few or too many parts")
    if not all(isinstance(part, str) and is_part(part) for part in parts):
        raise ValueError(f"{name!r:.60} has a part that is no SHA-256")
    return Stored(size, tuple(parts))


def is_name(name: str) -> bool:
    """Return whether a file of an output directory that a store may hold has this name."""
    top, *inner = name.split("/")
    if not inner:
        return top in FILES
    is_plain = all(part not in ("", ".", "..") and "\0" not in part for part in inner)
    return top in TREES and is_plain and len(name) <= _MOST_NAME


def _folders(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def numbers(folder: Folder) -> list[int]:
    """Return the numbers of the manifests in a store, the newest first."""
    found = (_MANIFEST.fullmatch(name) for name in folder.names(""))
    return sorted((int(one[1]) for one in found if one), reverse=True)


def newest(folder: Folder) -> tuple[int, Contents | None]:
    """Return the newest manifest that is sound, if any, and the highest number that is taken.

    One that was cut short, where a store does not write as a whole, does not count.
    """
    found = numbers(folder)
    for number in found:
        try:
            return found[0], decode(folder.get(manifest_name(number), MOST_BYTES))
        except (FileNotFoundError, ValueError):
            continue
    return (found[0] if found else 0), None
