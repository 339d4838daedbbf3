"""Asks a training script for its options once, before any trial: `train.py --help`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autofinetune import runner

_OPTION = re.compile(r"(?<![\w-])--(?:\[no-?\])?([A-Za-z_][A-Za-z0-9_.-]*)")


@dataclass(frozen=True)
class HelpText:
    """What `--help` said: the options it names, or why there are none."""

    options: frozenset[str]
    problem: str = ""
    output: str = ""


def ask_for_options(
    command: Sequence[str], *, working_dir: str, env: Mapping[str, str], timeout_s: float
) -> HelpText:
    """Run `command --help` and read the long options out of what it prints.

    Everything that the script leaves behind is ended. A script without an option parser would
    begin to train: after `timeout_s` it is stopped and that is the problem told.
    """
    mark = f"preflight/{os.getpid()}/{os.urandom(8).hex()}"
    try:
        process = subprocess.Popen(
            [*command, "--help"],
            cwd=working_dir,
            env={**env, "COLUMNS": "200", runner.MARK_VARIABLE: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return HelpText(frozenset(), f"it cannot be started: {error}")
    problem = ""
    try:
        raw, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        problem = f"it was still running after {timeout_s:g} s"
        _clear(mark)
        raw, _ = process.communicate()
    finally:
        _clear(mark)  # also when Ctrl-C ends the wait
    output = raw.decode(errors="replace")
    options = frozenset(_OPTION.findall(output))
    if not options and not problem:
        problem = f"it named no option (exit code {process.returncode})"
    if process.returncode != 0 and "Traceback (most recent call last)" in output:
        problem = f"it crashed (exit code {process.returncode})"
    return HelpText(options, problem, output)


def _clear(mark: str) -> None:
    while left := runner.marked(mark):
        runner.send_to(left, signal.SIGKILL)
