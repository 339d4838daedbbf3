"""Starts the ranks of a trial on several nodes of a Slurm job, with the environment of torchrun.

`srun` starts one process a rank, which takes its place from Slurm's variables and becomes the
command. When a rank fails, `srun` ends the others.
"""

from __future__ import annotations

import json
import os
import sys

from autofinetune.runner.files import SPEC
from autofinetune.runner.ranks import VARIABLES, network_variables

SHARED = ("MASTER_PORT", "TORCHELASTIC_RUN_ID")  # what the runner tells all ranks
_PARENT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_START = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from autofinetune.runner.nodes import become; become(sys.argv[2:])"
)


def launch(argv: list[str], ranks: int) -> list[str]:
    """Return the command that starts `argv` once for each rank."""
    srun = ["srun", f"--ntasks={ranks}", "--kill-on-bad-exit=1", "--export=ALL", "--mpi=none"]
    cores = os.environ.get("SLURM_CPUS_PER_TASK", "")  # which srun no longer reads itself
    each = [f"--cpus-per-task={cores}"] if cores else []
    return [*srun, *each, sys.executable, "-S", "-I", "-c", _START, _PARENT, *argv]


def variables(environ: dict[str, str]) -> dict[str, str]:
    """Return what tells a rank its place: pytorch.org/docs/stable/elastic/run.html.

    Args:
        environ: of a process that srun started, with the port that the runner reserved.
    """
    rank, node = environ["SLURM_PROCID"], environ["SLURM_NODEID"]
    places = {
        "rank": rank,
        "count": environ["SLURM_NTASKS"],
        "local": environ["SLURM_LOCALID"],
        "here": _tasks_per_node(environ["SLURM_STEP_TASKS_PER_NODE"])[int(node)],
        "node": node,
        "nodes": environ["SLURM_STEP_NUM_NODES"],
        "host": environ["SLURM_LAUNCH_NODE_IPADDR"],  # the runner's, which has rank 0
        "port": environ["MASTER_PORT"],
        "name": environ["TORCHELASTIC_RUN_ID"],
    }
    found = {name: value.format(**places) for name, value in VARIABLES["pytorch"].items()}
    found["AUTOFINETUNE_RANK"] = rank
    if rank != "0":  # only rank 0 reports, even if the script writes to the file
        found["AUTOFINETUNE_REPORT_FILE"] = os.devnull
    return found


def _tasks_per_node(text: str) -> list[int]:
    """Read `2(x3),1` as [2, 2, 2, 1]."""
    counts: list[int] = []
    for part in text.split(","):
        count, _, times = part.rstrip(")").partition("(x")
        counts += [int(count)] * int(times or 1)
    return counts


def become(argv: list[str]) -> None:
    """Become the command of this rank; ranks above 0 have a log of their own, beside rank 0's."""
    own = variables(dict(os.environ))
    folder = os.path.dirname(os.environ["AUTOFINETUNE_REPORT_FILE"])
    if own["RANK"] != "0":
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        log = os.open(os.path.join(folder, f"rank-{own['RANK']}.log"), flags, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
    with open(os.path.join(folder, SPEC), encoding="utf-8") as file:
        processes = json.load(file).get("processes")
    if processes:  # with commands and variables of their own
        argv = processes[int(own["RANK"])]["argv"]
        os.environ.update(processes[int(own["RANK"])]["env"])
    os.environ.update(own)
    for name, value in network_variables(own["MASTER_ADDR"]).items():
        os.environ.setdefault(name, value)
    os.execvp(argv[0], argv)
