"""The file system that this machine and the nodes share: the probe job, and how late it shows."""

from __future__ import annotations

import dataclasses
import os
import secrets
import sys
from pathlib import Path

from autofinetune.errors import EnvironmentProblem
from autofinetune.executors.base import Attempt, ExitRecord
from autofinetune.executors.files.reports import read_regular
from autofinetune.executors.slurm.job import PROBE
from autofinetune.store.directory import Place

# File systems of one machine show at once what was written; others may cache for a minute.
_OWN = ("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs")
_LATE_S, _AT_ONCE_S = 60.0, 2.0
_LINES = 5
_OWN_FAULTS = ("failed", "no_record")  # what becomes of a job that cannot begin or write
_FOLDER = "probe"  # in the directory of all trials


def settle_s(path: Path) -> float:
    """Return after how many seconds a file that a node wrote must be visible at `path`."""
    try:
        device = path.stat().st_dev
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _LATE_S
    for fields in map(str.split, mounts.splitlines()):
        if fields[2] == f"{os.major(device)}:{os.minor(device)}":
            return _AT_ONCE_S if fields[fields.index("-") + 1] in _OWN else _LATE_S
    return _LATE_S


def probe_of(attempt: Attempt) -> Attempt:
    """Return an attempt that starts Python beside those of the trials, with all that they need.

    Its directory is new: the first job of a tuner that was killed may still write into its own.
    """
    trials = Path(attempt.directory).parents[1]
    way = f"{_FOLDER}/attempt-{secrets.token_hex(4)}"
    place = Place(trials, way)
    if attempt.place is not None:
        above = attempt.place.way.split("/")[:-2]
        place = Place(attempt.place.root, "/".join([*above, way]))
    return dataclasses.replace(
        attempt,
        trial=PROBE[0],
        attempt=PROBE[1],
        argv=(sys.executable, "-S", "-I", "-c", ""),
        env={},
        directory=str(trials / way),
        log=os.devnull,
        time_limit_s=None,
        nni_wire=False,
        processes=(),
        files={},
        place=place,
    )


def problem_of(here: Path, directory: str, node: str, record: ExitRecord) -> EnvironmentProblem:
    """Return why no trial can run, after a probe that ended like this."""
    where = f"on {node}" if node else "on a node"
    if record.why == "spawn":
        return EnvironmentProblem(
            f"a first job {where} could not start Python: {record.error}",
            "--working_dir and the Python that runs autofinetune must exist on all nodes",
        )
    if record.why != "exit" and record.error not in _OWN_FAULTS:
        return EnvironmentProblem(
            f"a first job {where} ended before it could check the nodes "
            f"({record.error or record.why})",
            "start or resume the run again",
        )
    told = read_regular(here / "runner.log").decode(errors="replace").strip().splitlines()
    if told or node:
        lines = "".join(f"\n  | {line}" for line in told[-_LINES:])
        return EnvironmentProblem(
            f"a first job {where} failed ({record.error or record.why}){lines}",
            f"the Python at {sys.executable} and the package autofinetune must exist on all "
            "nodes, at the same paths",
        )
    return EnvironmentProblem(
        f"a first job ended ({record.error or record.why}), but nothing that it wrote is in "
        f"{directory} here",
        "--output_dir must be on a file system that this machine and all nodes share",
    )
