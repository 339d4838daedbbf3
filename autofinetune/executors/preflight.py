"""Asks a training script for its options once, before any trial: `train.py --help`."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autofinetune.runner.processes import MARK_VARIABLE, Remains, descendants, send_to

_OPTION = re.compile(r"(?<![\w-])--(?:\[no-?\])?([A-Za-z_][A-Za-z0-9_.-]*)")
_ENTRY = re.compile(r" {0,12}(-.*?)(?:  |$)")  # an option's own part of a line, without its help

_MOST_OUTPUT = 1 << 20  # bytes


@dataclass(frozen=True)
class HelpText:
    """What `--help` said: the options it names, or why there are none; those nobody may omit."""

    options: frozenset[str]
    problem: str = ""
    output: str = ""
    required: frozenset[str] = frozenset()
    returncode: int | None = None


def ask_for_options(
    command: Sequence[str],
    *,
    working_dir: str,
    env: Mapping[str, str],
    timeout_s: float,
    question: Sequence[str] = ("--help",),
) -> HelpText:
    """Run `command --help` and read the long options out of what it prints.

    Another `question` than `--help` takes its place.

    Everything that the script leaves behind is ended. A script without an option parser would
    begin to train: after `timeout_s` it is stopped and that is the problem told.
    """
    mark = f"preflight/{os.getpid()}/{os.urandom(8).hex()}"
    problem = ""
    with tempfile.TemporaryFile() as file:  # a pipe would end with the last process that has it
        try:
            process = subprocess.Popen(
                [*command, *question],
                cwd=working_dir,
                env={**env, "COLUMNS": "200", MARK_VARIABLE: mark},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return HelpText(frozenset(), f"it cannot be started: {error}")
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            problem = f"it was still running after {timeout_s:g} s"
        finally:
            # Also when a signal ends the wait. A pid that was waited for may be another's by now.
            _clear(mark, descendants(process.pid) if process.returncode is None else [])
            process.kill()
            process.wait()
        file.seek(0)
        output = file.read(_MOST_OUTPUT).decode(errors="replace")
    options = named_options(output)
    if not options and not problem:
        problem = f"it named no option (exit code {process.returncode})"
    if process.returncode != 0 and "Traceback (most recent call last)" in output:
        problem = f"it crashed (exit code {process.returncode})"
    required = required_options(output)
    return HelpText(options, problem, output, required, process.returncode)


def named_options(help_text: str) -> frozenset[str]:
    """The long options that a help text declares; those that its prose mentions do not count."""
    found: set[str] = set()
    is_usage = False
    for line in help_text.splitlines():
        is_usage = line.lower().startswith("usage:") or (is_usage and bool(line.strip()))
        entry = _ENTRY.match(line)
        if is_usage or entry:
            found.update(_OPTION.findall(line if is_usage or not entry else entry[1]))
    return frozenset(found)


def required_options(help_text: str) -> frozenset[str]:
    """The long options that stand without brackets in a usage as argparse writes it."""
    lines = help_text.partition("usage: ")[2].splitlines()
    usage = " ".join(itertools.takewhile(str.strip, lines))
    if "[-h]" not in usage:  # it is somebody's prose
        return frozenset()
    depth, outside = 0, []
    for character in re.sub(r"\{.*?\}", " ", usage):  # choices may be brackets
        depth -= character in ")]"
        outside.append(character if depth == 0 else " ")
        depth += character in "(["
    return frozenset(_OPTION.findall("".join(outside)))


def _clear(mark: str, below: Sequence[int]) -> None:
    """End what has the mark, and `below`: one that is just being started has none yet."""
    remains = Remains(mark)
    while left := remains.living(below):
        send_to(left, signal.SIGKILL)
        below = []
