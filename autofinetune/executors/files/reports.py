"""Reads what a trial reported. The file is untrusted: nothing in it may do harm."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from autofinetune.executors.base import Report

MAX_LINE = 64 * 1024
MAX_CHUNK = 1 << 20
MOST_REPORTS = 10_000  # intermediate reports accepted from one attempt
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # errors that say nothing about the file
_KINDS = ("final", "intermediate")
_NNI_FRAME = re.compile(rb"ME([0-9]{6})(?={)")  # and the number of bytes that follow
_NNI_KINDS = {"FINAL": "final", "PERIODICAL": "intermediate"}


def read_reports(path: Path, offset: int, *, only_final: bool = False) -> tuple[list[Report], int]:
    """Return the reports in whole lines after `offset`, and the offset after the last line.

    Every other line is ignored, with `only_final` also those of intermediate reports. At most
    1 MiB is read at once. The file may be missing; raise OSError as `read_regular` does.
    """
    reports: list[Report] = []
    data = read_regular(path, max(0, offset - 1))
    is_inside = offset > 0 and data[:1] != b"\n"  # of a line whose beginning was skipped
    data = data[1:] if offset else data
    end = data.rfind(b"\n") + 1
    if end == 0 and len(data) >= MAX_LINE:
        return [], offset + len(data)  # no report is that long: do not wait for its end
    for number, line in enumerate(data[:end].splitlines(keepends=True)):
        offset += len(line)
        if only_final and b"final" not in line and b"FINAL" not in line:
            continue
        report = None if is_inside and number == 0 else parse_report(line, offset)
        if report is not None:
            reports.append(report)
    return reports, offset


def read_regular(path: Path, offset: int = 0) -> bytes:
    """Return at most 1 MiB of a regular file, or nothing if there is none that can be read.

    A link or a pipe in its place could lead anywhere or never end. Raise OSError if the machine
    cannot open another file now.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
        try:
            is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return os.pread(descriptor, MAX_CHUNK, offset) if is_regular else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        return b""


def parse_report(line: bytes, offset: int) -> Report | None:
    """Return the report in one line, or None.

    A report is `{"final": 0.93}`, `{"intermediate": 0.7, "step": 3}`, or a line of NNI's trial
    side.
    """
    if len(line) > MAX_LINE:
        return None
    try:
        record = _nni_record(line) if line.startswith(b"ME") else json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    kinds = [kind for kind in _KINDS if kind in record]
    step = record.get("step")
    if len(kinds) != 1 or isinstance(record[kinds[0]], bool):
        return None
    try:
        score = float(record[kinds[0]])
    except (TypeError, ValueError, OverflowError):
        return None
    is_step = isinstance(step, int) and not isinstance(step, bool) and abs(step) < 2**53
    return Report(kinds[0], score, step if is_step else None, offset)


def _nni_record(line: bytes) -> Any:
    """Convert a line of NNI's trial side to our format; return None if it is not a result.

    `ME000095{"type": "PERIODICAL", "sequence": 1, "value": "0.25", ...}`: the value is JSON inside
    JSON, a number or a mapping with one under `default`. A line cut short by a full disk has no
    line end, so the next one follows on the same line.
    """
    frames = [f.end() for f in _NNI_FRAME.finditer(line) if int(f[1]) == len(line) - f.end()]
    said = json.loads(line[frames[0] :]) if frames else {}
    value = said.get("value")
    if isinstance(value, str):
        value = json.loads(value)
    if isinstance(value, dict):
        value = value.get("default")
    kind = _NNI_KINDS.get(str(said.get("type")))
    return {kind: value, "step": said.get("sequence")} if kind else None
