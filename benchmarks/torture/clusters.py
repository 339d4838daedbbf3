"""Faults of clusters: tests on a real Slurm and a real Ray of two nodes each, on this machine.

Each group of tests is a row. A test compares the journal with what trials noted outside of the
run: no trial lost, none run twice, no process left.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from tools import mini_ray, mini_slurm

from .pool import Bench
from .repeats import FLAKE, ROOT, read
from .rows import Outcome

_ALL = "tests/cluster"
# What is done, and the names of the tests that do it.
GROUPS = {
    "cluster-tuners": (
        "eight trials on four slots, the tuner killed and resumed in the same directory: here, on "
        "Slurm, on Ray; killed while it submits; the bridge to Ray killed",
        "killed_tuner or killed_while_it_submits or was_not_written_down or killed_bridge",
    ),
    "cluster-nodes": (
        "a node killed under its trials: on Slurm (the trial lives on, and is fenced), on Ray",
        "lost_node",
    ),
    "cluster-networks": (
        "a node of Ray without network until Ray does not answer, and for 90 s, longer than Ray "
        "waits",
        "network_that_is_down or parted_for_long",
    ),
    "cluster-heads": (
        "the head killed and back: slurmctld, Ray's (after all its nodes have ended)",
        "without_the_controller or when_the_head_dies",
    ),
    "cluster-cancel": (
        "trials cancelled that ignore SIGTERM and have children in other sessions: here, on "
        "Slurm, on Ray",
        "cancelled_trials",
    ),
    "cluster-limits": (
        "a job at its time limit; a job preempted; the tuner itself a job with a time limit; jobs "
        "of one of two runs cancelled by name",
        "time_limit or preempted or cancelled_by_name",
    ),
    "cluster-disks": (
        "the disk of a node of Ray full before a trial starts and while it ends",
        "full_disk",
    ),
    "cluster-models": (
        "models of 36 MB and 1 GB to a node of Ray and back, compared by SHA-256",
        "models_go_there_and_back",
    ),
    "cluster-ranks": (
        "processes of a trial on two nodes meet; the first that fails ends the others: on Slurm, "
        "on Ray; replicas of an AutoTuneExperiment",
        "on_two_nodes or on_other_nodes",
    ),
    "cluster-runs": (
        "two runs on one cluster: on Slurm, on Ray",
        "two_runs",
    ),
}


def units(group: str, count: int, order: object) -> Sequence[tuple[str, int]]:
    return [(group, number) for number in range(1, count + 1)]


def why_not() -> str:
    return mini_slurm.missing() or mini_ray.missing()


def tests_of(bench: Bench, unit: tuple[str, int]) -> Outcome:
    """Run the tests of a group once."""
    group, number = unit
    report, outcome = bench.directory() / "report.xml", Outcome()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "cluster", _ALL, "-k", GROUPS[group][1],
         "--numprocesses=0", f"--junitxml={report}"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    if report.exists():
        read(report, number, outcome)
    else:
        outcome.violate(FLAKE, f"no report: {done.stdout[-600:]}")
    return outcome
