"""Reads what a runner leaves in an attempt's directory, where scripts may have written too.

All functions raise OSError when the machine cannot open another file now.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from autofinetune.core import fields
from autofinetune.executors.base import ExitRecord
from autofinetune.executors.files.reports import read_regular
from autofinetune.runner.files import EXIT, SPEC

_MOST_SURVIVORS = 100_000
_WHYS = ("exit", "cancel", "timeout", "spawn", "tuner_died", "lost")


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, or None if there is none."""
    try:
        data = json.loads(read_regular(path))
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def read_identity(path: Path) -> dict[str, Any] | None:
    """Return the `identity` of a process in a file, or None if there is none."""
    data = read_json(path) or {}
    try:
        who = {name: fields.count(data[name]) for name in ("pid", "start_time")}
        return {**who, "boot_id": fields.exact_text(data["boot_id"])}
    except (KeyError, ValueError):
        return None


def read_time_limit(directory: Path, expected: float | None) -> float | None:
    """Return the time limit in seconds with which an attempt was started, None for none.

    It may differ from what is `expected` by now, which is returned if the file cannot be read.
    """
    try:
        found = (read_json(directory / SPEC) or {})["time_limit_s"]
        return None if found is None else fields.number(found)
    except (KeyError, ValueError):
        return expected


def read_exit(directory: Path) -> ExitRecord | None:
    """Return how the attempt in this directory ended, or None without a valid record."""
    data = read_json(directory / EXIT)
    try:
        return as_record(data) if data is not None else None
    except (KeyError, TypeError, ValueError):
        return None  # not written by a runner: treated as absent


def as_record(data: dict[str, Any]) -> ExitRecord:
    """Return what a record says; raise KeyError, TypeError or ValueError if it is none."""
    code = data["returncode"]
    survivors = data.get("survivors", [])
    if not isinstance(survivors, list) or len(survivors) > _MOST_SURVIVORS:
        raise ValueError("survivors must be a list")
    if data["why"] not in _WHYS:
        raise ValueError(f"unknown end {data['why']!r}")
    return ExitRecord(
        why=data["why"],
        returncode=None if code is None else fields.whole(code),
        seconds=max(0.0, fields.number(data["seconds"])),
        error=fields.text(data.get("error", "")),
        leftovers=fields.count(data.get("leftovers", 0)),
        survivors=tuple(map(fields.small, survivors)),
        signal=fields.count(data.get("signal", 0)),
        is_oom=code == -signal.SIGKILL and fields.whole(data.get("oom_kills", 0)) > 0,
    )
