"""Reads what a runner leaves in the directory of an attempt; others may have written there too.

Raises OSError when the machine has no room for opening a file at present.
"""

from __future__ import annotations

import json
import operator
import signal
from pathlib import Path
from typing import Any

from autofinetune.runner.files import EXIT

from .base import ExitRecord
from .reports import NO_ROOM, read_regular

_WHYS = ("exit", "cancel", "timeout", "spawn", "tuner_died")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file; None where there is none, or something else."""
    try:
        data = json.loads(read_regular(path))
    except OSError as error:
        if error.errno in NO_ROOM:
            raise  # that the file could not be read now does not mean that it is not there
        return None
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def read_exit(directory: Path) -> ExitRecord | None:
    """How the attempt in this directory ended, if its runner has written that."""
    data = read_json(directory / EXIT)
    try:
        return _as_record(data) if data is not None else None
    except (KeyError, TypeError, ValueError):
        return None  # not what a runner writes: as good as absent


def _as_record(data: dict[str, Any]) -> ExitRecord:
    code = data["returncode"]
    return ExitRecord(
        why=str(data["why"]) if data["why"] in _WHYS else _unknown(data["why"]),
        returncode=None if code is None else operator.index(code),
        seconds=max(0.0, float(data["seconds"])),
        error=data.get("error", ""),
        leftovers=data.get("leftovers", 0),
        survivors=tuple(data.get("survivors", ())),
        is_oom=data["returncode"] == -signal.SIGKILL and data.get("oom_kills", 0) > 0,
    )


def _unknown(why: object) -> str:
    raise ValueError(f"unknown end {why!r}")
