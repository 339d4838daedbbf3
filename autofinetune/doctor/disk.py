"""Checks the disk on which results go, the home directory, and VisualDL, which writes there."""

from __future__ import annotations

import fcntl
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from autofinetune.doctor.finding import Finding, problem, warning
from autofinetune.executors import ask_for_options

_NETWORK = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "9p", "afs",
            "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone")  # fmt: skip
_LOW_SPACE = 5 << 30
_LEAST_SPACE = 1 << 30  # the default of --min_free_gb
_SLOW_S = 0.05
_WRITES = 7
_SKEW_S = 5.0
_VISUALDL_S = 60.0


def space(folder: Path) -> Iterator[Finding]:
    """Check the free space in a directory."""
    free = shutil.disk_usage(folder).free
    text = f"{free / 2**30:.1f} GiB free in {folder}"
    if free < _LEAST_SPACE:
        todo = "free some; trials start only with --min_free_gb (1 by default)"
        yield problem("disk", text, todo)
    elif free < _LOW_SPACE:
        yield warning("disk", text, "free some, or keep few models: --keep_models=best")
    else:
        yield Finding("disk", text)


def writing(folder: Path) -> Iterator[Finding]:
    """Check that files in a directory are written durably and in time, and that locks work."""
    kind = file_system(folder)
    is_remote = kind.startswith(_NETWORK)
    elsewhere = "put --output_dir on a local disk"
    try:
        scratch = tempfile.TemporaryDirectory(prefix=".autofinetune-", dir=folder)
    except OSError as error:
        yield problem("writing", f"{folder} is not writable: {error.strerror}", elsewhere)
        return
    with scratch as name:
        file = Path(name, "file")
        took = [_written(file) for _ in range(_WRITES)]
        skew = abs(file.stat().st_mtime - time.time())
        typical = statistics.median(took)
        text = f"{kind or 'unknown file system'}, {typical * 1000:.1f} ms for a durable write"
        if typical > _SLOW_S:
            todo = f"{elsewhere}; each event of a run is such a write"
            yield warning("writing", f"{text}, which is slow", todo)
        else:
            yield Finding("writing", text)
        if skew > _SKEW_S:
            yield warning("writing", f"its clock differs by {skew:.0f} s from this machine's",
                          "set both clocks, for instance by NTP")  # fmt: skip
        yield from _locking(file, kind, elsewhere, is_remote=is_remote)


def _written(file: Path) -> float:
    start = time.monotonic()
    with file.open("wb") as stream:
        stream.write(b"x" * 4096)
        stream.flush()
        os.fsync(stream.fileno())
    return time.monotonic() - start


def _locking(file: Path, kind: str, elsewhere: str, *, is_remote: bool) -> Iterator[Finding]:
    with file.open("rb") as first, file.open("rb") as second:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            yield problem("locks", f"{kind}: files cannot be locked: {error.strerror}", elsewhere)
            return
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass
        else:
            yield problem("locks", f"{kind}: two processes get the same lock", elsewhere)
            return
    if is_remote:
        text = f"locks work, but {kind} may not forward them to other machines"
        yield warning("locks", text, f"use a run directory from one machine only, or {elsewhere}")
    else:
        yield Finding("locks", "work")


def file_system(folder: Path) -> str:
    """Return the type of the file system of a directory, such as ext4; empty if unknown."""
    place = os.path.realpath(folder)
    best, kind = "", ""
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split()[4].encode().decode("unicode_escape")  # a space is \040
        is_above = place == point or place.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


def home() -> Iterator[Finding]:
    """Check that the home directory can be written, as VisualDL and other libraries do."""
    folder = Path(os.path.expanduser("~"))  # noqa: PTH111  Path.home raises without one
    if not folder.is_dir():
        yield warning("home", f"{folder} does not exist", "export HOME=/tmp, or --log_to=none")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield warning("home", f"{folder} is not writable", "export HOME=/tmp, or --log_to=none")
    else:
        yield Finding("home", f"{folder} is writable")


def visualdl() -> Iterator[Finding]:
    """Check that VisualDL can be imported, in a process of its own."""
    found = ask_for_options(
        [sys.executable, "-c", "import visualdl; print(visualdl.__version__)"],
        working_dir="/", env=dict(os.environ), timeout_s=_VISUALDL_S, question=(),
    )  # fmt: skip
    lines = found.output.strip().splitlines() or [found.problem]
    if found.returncode == 0:
        yield Finding("visualdl", f"{lines[-1]} can be imported")
    else:
        todo = "pip install --upgrade visualdl, or run with --log_to=none"
        yield warning("visualdl", f"cannot be imported: {lines[-1]}", todo)
