"""Reads the texts that an objective needs besides the processed data."""

from __future__ import annotations

import json
from pathlib import Path

from autofinetune.errors import UsageError
from autofinetune.space.fields import short

_MOST_BYTES = 1 << 28


def read_texts(path: Path, key: str) -> list[str]:
    """Return the texts of a file: the field `key` of JSON lines, else the parts between blank
    lines.

    Raise UsageError if it cannot be read or has no text.
    """
    if path.suffix == ".jsonl":
        found = [text for (text,) in read_fields(path, key)]
    else:
        found = [part.strip() for part in _read(path).split("\n\n")]
    found = [text for text in found if text]
    if not found:
        raise UsageError(f"{path} has no text", "give a .txt file, or JSON lines in a .jsonl file")
    return found


def read_fields(path: Path, *keys: str) -> list[tuple[str, ...]]:
    """Return the fields `keys` of each JSON line as text; raise UsageError if one lacks them."""
    rows = []
    for number, line in enumerate(_read(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}:{number} is not a line of JSON: {error}") from None
        for key in keys:
            if not isinstance(value, dict) or not isinstance(value.get(key), (str, int)):
                why = f"{path}:{number} has no field {key!r} with text: {short(value)}"
                raise UsageError(why, f"each line must be like {{{json.dumps(key)}: ...}}")
        rows.append(tuple(str(value[key]) for key in keys))
    return rows


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise UsageError(f"{path} is larger than 256 MiB", "give a sample of it")
        return data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", "save it as UTF-8") from None
