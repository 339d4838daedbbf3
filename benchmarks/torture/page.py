"""docs/reliability.md, made from the rows and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from .rows import Row

HEAD = """\
# Reliability

What was done to runs, and what was lost. `make torture` writes this page and nothing else does:
every figure comes from a run on a machine named below. It needs root, to mount images, and strace;
the rows of clusters need what `make test-cluster` needs. What a trial costs on a cluster is in
[throughput.md](throughput.md#on-a-cluster).
"""
READING = """\
A kill is `kill -9` of the tuner. After every kill the journal and all files are compared with what
the trials noted outside the output directory. Then the run is resumed to its end, and its table
must be that of the same run without a kill. Every second run that is killed at random instants has
the schedule `async`, under which the table depends on timing; there it must only be complete.

| word | meaning |
|---|---|
| lost results | a trial was told that its score is recorded, and it is not |
| orphans | processes that outlive the run |
| shared slots | two trials on one slot at a time |
| double tells | a trial that started or ended twice |
| wrong files | a file that cannot be read, or is not what the journal says |
| failed resumes | anything else that kept the run from ending, or changed its result |
"""
REPEAT = """\
## Repeat it

```shell
make torture                                         # everything
python -m benchmarks.torture --quick                 # the counts for a change
python -m benchmarks.torture --only=kills --kills=50
```

Equal seeds do the same to the runs; where in a run a kill arrives depends on the machine. A part
that is run again replaces its row, so rows may name different commits. The rows are kept in
[reliability.json](reliability.json), with the first violations of each in words.
"""


def page(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return the page; `names` are those of all parts, including parts that were not run."""
    missing = [name for name in names if name not in {row.part for row in rows}]
    return "\n".join([HEAD, READING, _results(rows), _where(rows), _untested(missing), REPEAT])


def _results(rows: Sequence[Row]) -> str:
    lines = [
        "## What was found",
        "",
        "| what was done | how often | found | allowed | time |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        words = (row.title, row.done, found(row), row.allowed, duration(row.seconds))
        if row.skipped:
            words = (row.title, "not run", row.skipped, row.allowed, "")
        lines.append(f"| {' | '.join(words)} |")
    return "\n".join([*lines, ""])


def found(row: Row) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in row.violations.items())
    text = "; ".join(part for part in (kinds, row.found) if part)
    return f"**{text}**" if row.is_violated else text


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _where(rows: Sequence[Row]) -> str:
    machines = list(dict.fromkeys(row.machine for row in rows))
    lines = ["## Where", ""]
    lines += [f"{number}. {machine}" for number, machine in enumerate(machines, 1)]
    lines += [
        "",
        "| part | seed | commit | date | machine | load before |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        place = machines.index(row.machine) + 1
        lines.append(
            f"| {row.part} | {row.seed} | {row.commit} | {row.date} | {place} | {row.load} |"
        )
    return "\n".join([*lines, ""])


def _untested(missing: Sequence[str]) -> str:
    """What is in no row, each with the reason on this machine."""
    mapper = Path("/dev/mapper/control").exists() and shutil.which("dmsetup") is not None
    nfs = "nfs" in Path("/proc/filesystems").read_text()
    cards = Path("/proc/driver/nvidia").exists()
    lines = [
        "Writes that a disk reorders or tears below the file system: an image is a copy of the "
        "whole device at one instant; "
        + ("no part uses the device mapper yet." if mapper else "there is no device mapper here."),
        "Output directories on NFS: " + ("no part uses it yet." if nfs else "there is none here."),
        "A card whose memory does not come back after its trial: "
        + ("no part can make one do that." if cards else "there is no card here.")
        + " Tests simulate such a card.",
        "A real power cut, and a disk that lies about fsync: images stand for both.",
        "Anything between two machines: there is one. The two nodes of Ray have a network and a "
        "view of the files each, joined by a virtual cable; those of Slurm are two daemons. So "
        "they have one clock, one kernel and one power supply, no shared file system that shows "
        "files late, no packets lost now and then, and no more than two nodes.",
        "Cards of a cluster: Slurm and Ray hand out numbers of cards that are not there.",
        "Processes that the kernel cannot end (state D): tests simulate them, "
        "because none can be created on purpose.",
    ]
    if missing:
        lines.insert(0, f"Parts of this benchmark that were not run: {', '.join(missing)}.")
    return "\n".join(["## What is not tested here", "", *(f"* {line}" for line in lines), ""])
