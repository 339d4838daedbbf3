"""Slurm's commands `sbatch`, `squeue` and `scancel`, and what they answer."""

from __future__ import annotations

import math
import os
import re
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

TIMEOUT_S = 60.0  # without a controller, the commands themselves give up after some 10 s
PROGRAMS = ("sbatch", "squeue", "scancel")
JOB_ID = re.compile(r"[0-9]{1,18}")
# What a job can be while it waits, and once it is over; see squeue(1). Otherwise it is at work.
WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT",
                     "RESV_DEL_HOLD"})  # fmt: skip
OVER = frozenset({"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL",
                  "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"})  # fmt: skip
_ABSENT = re.compile(
    "unable to contact|timed? ?out|connection|zero bytes|unexpected message|standby|munge|"
    "unable to establish|temporarily|communication|authentication|try again",
    re.IGNORECASE,
)
_CARDS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
_LEFT = re.compile(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)")


class Unreachable(Exception):
    """Slurm does not answer; it says nothing about any job."""


class Refused(Exception):
    """sbatch does not accept a job; the message is Slurm's."""


@dataclass(frozen=True)
class Row:
    """A job as `squeue` lists it; `command` is the path of its script."""

    id: str
    state: str
    nodes: str
    name: str
    command: str


@dataclass(frozen=True)
class Listing:
    """The jobs by id, as they were at some time after the monotonic time `at` in seconds."""

    at: float = -math.inf
    rows: Mapping[str, Row] = field(default_factory=dict)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for the commands, which is also that of the jobs.

    The cards of this machine mean nothing on another one, and a job that submits jobs must not
    pass on its own size.
    """
    is_job = "SLURM_JOB_ID" in environ
    return {
        name: value
        for name, value in environ.items()
        if name not in _CARDS
        and not (is_job and name.startswith("SLURM_") and name != "SLURM_CONF")
    }


def run(words: Sequence[str], environ: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> str:
    """Run a command and return its output.

    Raise Unreachable if Slurm did not answer, Refused with its message if it did not agree.
    """
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environ,
            timeout=timeout_s,
            start_new_session=True,  # Ctrl-C is for the tuner
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"{words[0]} took more than {timeout_s:g} s") from None
    except OSError as error:
        raise Unreachable(f"{words[0]}: {error.strerror}") from None
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        if _ABSENT.search(" ".join(told)):
            raise Unreachable(told[-1])
        raise Refused("; ".join(line.removeprefix("sbatch: error: ") for line in told[-3:]))
    return done.stdout.decode(errors="replace")


def submit(options: Sequence[str], script: str, environ: Mapping[str, str]) -> str:
    """Submit a batch script and return the id of its job."""
    told = run(["sbatch", "--parsable", *options, script], environ)
    found = JOB_ID.match(told.strip().splitlines()[-1] if told.strip() else "")
    if found is None:
        raise Refused(f"sbatch answered {told.strip()!r:.200} instead of the id of a job")
    return found[0]


def jobs(names: Collection[str], environ: Mapping[str, str]) -> Listing:
    """List the jobs of this user with these names, also those that ended a short time ago."""
    at = time.monotonic()
    user, each = str(os.getuid()), "%i|%T|%N|%j|%o"
    words = ["squeue", "--noheader", "--states=all", f"--user={user}", f"--format={each}"]
    try:
        told = run([*words, f"--name={','.join(sorted(names))}"], environ)
    except Refused as error:  # squeue has nothing to refuse here
        raise Unreachable(str(error)) from None
    return Listing(at, {row.id: row for row in parsed(told) if row.name in names})


def parsed(told: str) -> Iterator[Row]:
    """Yield the jobs in the output of `squeue`; the last field may contain anything."""
    for line in told.splitlines():
        fields = line.split("|", 4)
        if len(fields) == 5 and JOB_ID.fullmatch(fields[0]):
            yield Row(*fields)


def cancel(words: Sequence[str], environ: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> None:
    """Run `scancel`; a job that is over is no error."""
    try:
        run(["scancel", *words], environ, timeout_s)
    except Refused:
        return


def seconds_left(job: str, environ: Mapping[str, str]) -> float:
    """Return how long the time limit of a job still lets it run; infinite without one."""
    try:
        return as_seconds(run(["squeue", "--noheader", f"--job={job}", "--format=%L"], environ))
    except Refused:
        return math.inf  # not a job of this cluster


def as_seconds(told: str) -> float:
    """Read `1-02:03:04`, `02:03:04` or `03:04`; anything else is infinite."""
    found = _LEFT.fullmatch(told.strip())
    if found is None:
        return math.inf
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
