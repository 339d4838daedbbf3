"""The tests of single faults, again and again; one that fails even once is a violation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from .pool import Bench
from .rows import Outcome

ROOT = Path(__file__).parents[2]
FLAKE = "failed tests"
_MOST_WORDS = 600
# What every other part does is done there with more repetitions.
_SUITE = ("tests/faults", "--ignore=tests/faults/test_torture.py")


def units(count: int, jobs: int) -> list[tuple[int, int]]:
    return [(number, jobs) for number in range(1, count + 1)]


def once_more(bench: Bench, unit: tuple[int, int]) -> Outcome:
    """Run the whole suite in so many processes."""
    number, jobs = unit
    report, outcome = bench.directory() / "report.xml", Outcome()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "slow", *_SUITE, f"--numprocesses={jobs}",
         f"--junitxml={report}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    outcome.done["repeats"] += 1
    if not report.exists():
        outcome.violate(FLAKE, f"repeat {number}: no report: {done.stdout[-_MOST_WORDS:]}")
        return outcome
    read(report, number, outcome)
    return outcome


def read(report: Path, number: int, outcome: Outcome) -> None:
    """Count the tests of a report in JUnit's format, and note the failed ones."""
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            outcome.done["skipped"] += 1
            continue
        outcome.done["tests"] += 1
        for problem in (*case.findall("failure"), *case.findall("error")):
            words = (problem.get("message") or "")[:_MOST_WORDS]
            outcome.violate(FLAKE, f"repeat {number}: {case.get('name')}: {words}")
