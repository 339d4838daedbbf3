"""`command`: the number that a command of the user's prints or reports (`--objective_command`).

The command gets the path of the processed data as its last word. What counts is its final report
(`autofinetune.report_final_result`, or `autofinetune report-final`), else the last number that
stands alone on a line of its output.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from autofinetune.config.commands import is_shell_line, of_line
from autofinetune.errors import Mistake, UsageError
from autofinetune.trial.report import REPORT_FILE_VARIABLE

from .base import Objective, Processed, Settings


class Command(Objective):
    """The score of a command; higher is better unless the sweep or --direction says otherwise."""

    @classmethod
    def check(cls, settings: Settings) -> None:
        try:
            is_given = bool(of_line(settings.command))
        except ValueError as error:
            raise UsageError(Mistake("objective_command", f": {error}")) from None
        if not is_given:
            mistake = Mistake("objective_command", "is missing: the objective `command` runs it")
            raise UsageError(mistake, "give a command that prints a number")

    def score(self, processed: Processed) -> float:
        words = of_line(self.settings.command)
        path = str(processed.path)
        if is_shell_line(words):  # "$1" is the path, as in a script, and by default the last word
            line = words[-1] if "$1" in words[-1] else f'{words[-1]} "$1"'
            words = (*words[:-1], line, "objective")
        with tempfile.TemporaryDirectory() as folder:
            reports = Path(folder, "reports.jsonl")
            env = {**os.environ, REPORT_FILE_VARIABLE: str(reports)}
            done = subprocess.run(
                [*words, path], stdout=subprocess.PIPE, env=env, check=False, errors="replace"
            )
            sys.stdout.write(done.stdout)
            if done.returncode != 0:
                why = f"the command of the objective ended with exit code {done.returncode}"
                raise UsageError(f"{why}: {self.settings.command}")
            found = _reported(reports)
        if found is None:
            found = _printed(done.stdout)
        if found is None:
            why = "the command of the objective neither printed nor reported a number"
            raise UsageError(f"{why}: {self.settings.command}")
        return found


def _reported(file: Path) -> float | None:
    """Return the last final report in a file."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if b'"final"' in line:
            return float(json.loads(line)["final"])
    return None


def _printed(output: str) -> float | None:
    for line in reversed(output.splitlines()):
        try:
            number = float(line.strip())
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return None
