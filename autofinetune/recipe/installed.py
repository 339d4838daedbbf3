"""Runs the installed Data-Juicer, each time in a process of its own.

Importing it takes seconds, it starts processes and threads of its own, and it prints a lot: its
output goes to standard error.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from autofinetune.errors import EnvironmentProblem
from autofinetune.library import Library

from .document import Recipe
from .operators import Known, from_description, known
from .statistics import Statistics, read_statistics

_INSTALL = "autofinetune[data-juicer]"
# It imports aiohttp, which its requirements lack.
_LIBRARIES = (
    Library("py-data-juicer", "1.6.1", _INSTALL, "data_juicer"),
    Library("aiohttp", "3.9", _INSTALL),
)
_STDERR = 2
_EXPORT = "data.jsonl"
_STATS = "data_stats.jsonl"


def is_installed() -> bool:
    """Return whether Data-Juicer can be used, without importing it."""
    return _lack("") is None


def check_installed(what: str, otherwise: str) -> None:
    """Raise EnvironmentProblem if Data-Juicer is missing or too old.

    `what` needs it, and `otherwise` tells what works without it.
    """
    if lack := _lack(what):
        problem, tip = lack
        raise EnvironmentProblem(problem, f"{tip}; {otherwise}")


def _lack(what: str) -> tuple[str, str] | None:
    return next(filter(None, (library.lack(what) for library in _LIBRARIES)), None)


def analyzed(path: Path, wanted: Collection[str]) -> Statistics:
    """Return the wanted statistics of the data that a recipe names, by Data-Juicer's Analyzer.

    It reads the whole dataset, and writes into a temporary directory only.

    Raises:
        EnvironmentProblem: it failed, or left no statistics.
    """
    folder = Path(tempfile.mkdtemp(prefix="autofinetune-"))
    try:
        words = ["--config", str(path), "--export_path", str(folder / _EXPORT)]
        words += ["--work_dir", str(folder / "work"), "--export_type", "jsonl"]
        words += ["--export_original_dataset", "false", "--save_stats_in_one_file", "true"]
        _run("data_juicer.tools.analyze_data", words, f"the Analyzer failed on {path}")
        if not (folder / _STATS).is_file():
            raise EnvironmentProblem(
                f"Data-Juicer computed no statistics for {path}",
                "see its messages above; it needs at least one filter with statistics",
            )
        return read_statistics(folder / _STATS, wanted)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def process(path: Path) -> None:
    """Process data by a recipe; raise EnvironmentProblem if Data-Juicer fails."""
    words = ["--config", str(path)]
    _run("data_juicer.tools.process_data", words, f"Data-Juicer failed on {path}")


def known_of(recipe: Recipe, *, with_own: bool = False) -> dict[str, Known]:
    """Return what is known of the operators of a recipe, by name.

    Data-Juicer, if it is installed, is asked for those that are not in our table: new ones, and
    `with_own` those in files that the recipe names, whose code is run for that.

    Raises:
        EnvironmentProblem: it cannot tell.
    """
    table = {}
    for name in dict.fromkeys(operator.name for operator in recipe.operators):
        if found := known(name):
            table[name] = found
    unknown = [one.name for one in recipe.operators if one.name not in table]
    if unknown and is_installed():
        paths = (recipe.document.value.get("custom_operator_paths") or []) if with_own else []
        question = {"names": unknown, "paths": paths if isinstance(paths, list) else [paths]}
        failed = "Data-Juicer cannot tell what its operators take"
        answer = _run(
            "autofinetune.recipe.signatures", [json.dumps(question)], failed, is_asked=True
        )
        told: dict[str, Any] = json.loads(answer.splitlines()[-1])
        table |= {name: from_description(name, one) for name, one in told["operators"].items()}
    return table


def _run(module: str, words: Sequence[str], failed: str, *, is_asked: bool = False) -> str:
    """Run a module of this Python; return its output if it is asked for, else show it."""
    command = [sys.executable, "-m", module, *words]
    output = subprocess.PIPE if is_asked else _STDERR
    before = signal.signal(signal.SIGTERM, _end)  # an exception ends the process, too
    try:
        done = subprocess.run(command, stdout=output, check=False)
    finally:
        signal.signal(signal.SIGTERM, before)
    if done.returncode != 0:
        tip = "see its messages above"
        raise EnvironmentProblem(f"{failed} (exit code {done.returncode})", tip)
    return done.stdout.decode(errors="replace") if is_asked else ""


def _end(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)
