"""The batch script of a job, and the options with which it is submitted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from autofinetune.errors import Mistake, UsageError
from autofinetune.executors.base import Attempt
from autofinetune.executors.local.start import START_RUNNER
from autofinetune.runner.processes import MARK_VARIABLE
from autofinetune.version import PACKAGE_PARENT

SCRIPT = "job.sh"
NOTICE_S = 60  # before its time limit, a job gets SIGUSR2; Slurm may be as early again
# Options that every job gets, or that would make something else of it.
_OURS = ("job-name", "output", "error", "open-mode", "chdir", "signal", "requeue", "no-requeue",
         "array", "wrap", "wait", "clusters", "parsable", "test-only")  # fmt: skip
_SHORT = {"J": "job-name", "o": "output", "e": "error", "D": "chdir", "a": "array",
          "W": "wait", "M": "clusters"}  # fmt: skip


def options_of(text: str) -> list[str]:
    """Return the words of `--sbatch`; raise UsageError if one cannot be used."""
    words = shlex.split(text)
    for word in words:
        name = word[2:].partition("=")[0] if word.startswith("--") else _SHORT.get(word[1:2], "")
        if word.startswith("-") and name in _OURS:
            why = f": {word.partition('=')[0]} is set by autofinetune; leave it out"
            raise UsageError(Mistake("sbatch", why, text))
    if words and not words[0].startswith("-"):
        raise UsageError(Mistake("sbatch", f": {words[0]!r:.60} is not an option of sbatch", text))
    return words


def job_name(attempt: Attempt) -> str:
    """Return the name of all jobs of a run: that of its directory, and of the run."""
    directory = Path(attempt.directory).parents[2].name
    return f"{re.sub('[^A-Za-z0-9._-]+', '_', directory) or 'run'}-{attempt.run}"


def mark_of(attempt: Attempt) -> str:
    return f"{attempt.run}/{attempt.trial}/{attempt.attempt}"


def script(attempt: Attempt) -> str:
    """Return a script that becomes the runner: a shell in between would keep signals from it."""
    words = [*START_RUNNER, attempt.directory, PACKAGE_PARENT]
    return (
        "#!/bin/sh\n"
        f"export {MARK_VARIABLE}={shlex.quote(mark_of(attempt))}\n"
        f"exec {shlex.join(words)}\n"
    )


def sbatch_options(given: Sequence[str], name: str, directory: str) -> list[str]:
    """Return all options of sbatch for the attempt in `directory`."""
    log = str(Path(directory, "runner.log")).replace("\\", "\\\\").replace("%", "%%")
    return [
        "--export=ALL",
        *given,
        f"--job-name={name}",
        f"--output={log}",
        "--open-mode=append",
        "--chdir=/",  # the runner changes to the trial's, and says so if it cannot
        "--no-requeue",
        f"--signal=B:USR2@{NOTICE_S}",
    ]
