"""Runs `train.py --help` once, before any trial, to learn the script's options."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autofinetune.executors.base import ExitRecord
from autofinetune.executors.files.records import read_exit
from autofinetune.executors.files.reports import read_regular
from autofinetune.executors.local.patience import LOOK_S, Patience
from autofinetune.executors.local.start import start_runner
from autofinetune.runner.files import SPEC, write_atomically
from autofinetune.runner.processes import MARK_VARIABLE, Remains, identity, send_to

_OPTION = re.compile(r"(?<![\w-])--(?:\[no-?\])?([A-Za-z_][A-Za-z0-9_.-]*)")
# The option itself, without its help text; typer and tyro draw a frame around it.
_ENTRY = re.compile(r"[ │*]{0,12}(-.*?)(?:  |$)")

_OUTPUT = "output"
_MOST_OUTPUT = 1 << 20  # bytes


@dataclass(frozen=True)
class HelpText:
    """The result of `--help`: the options it lists, or the problem, and the required options."""

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
    """Run `command --help` and parse the long options from its output.

    Like a trial, it is run by a runner, which kills all its processes when the script ends, when
    the time limit is reached, and when this process dies for any reason. A script without an
    option parser would start training: it is stopped after `timeout_s`, which is then the problem
    reported. `command` is the script with its interpreter; `question` may replace `--help`.
    """
    directory = Path(tempfile.mkdtemp(prefix="autofinetune-"))
    try:
        record = _run([*command, *question], directory, working_dir, env, timeout_s)
        output = read_regular(directory / _OUTPUT).decode(errors="replace")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if record.why == "spawn":
        return HelpText(frozenset(), f"it cannot be started: {record.error}")
    problem = "" if record.why == "exit" else f"it was still running after {timeout_s:g} s"
    options = named_options(output)
    if not options and not problem:
        problem = f"it listed no options (exit code {record.returncode})"
    if record.returncode != 0 and "Traceback (most recent call last)" in output:
        problem = f"it crashed (exit code {record.returncode})"
    return HelpText(options, problem, output, required_options(output), record.returncode)


def _run(
    argv: Sequence[str],
    directory: Path,
    working_dir: str,
    env: Mapping[str, str],
    timeout_s: float,
) -> ExitRecord:
    mark = f"preflight/{os.getpid()}/{os.urandom(8).hex()}"
    spec = {
        "argv": list(argv),
        "cwd": working_dir,
        "log": str(directory / _OUTPUT),
        "log_bytes": (_MOST_OUTPUT, _MOST_OUTPUT),
        "grace_s": 0.0,
        "time_limit_s": timeout_s,
        "is_scratch": True,
        "tuner": identity(os.getpid()),
    }
    write_atomically(str(directory / SPEC), spec, durable=False)
    environ = {**env, "COLUMNS": "200", MARK_VARIABLE: mark}
    lifeline, ours = os.pipe2(os.O_CLOEXEC)
    with os.fdopen(ours, "wb") as held:
        with os.fdopen(lifeline, "rb"):
            process = start_runner(str(directory), environ, lifelines=[lifeline])
        try:
            _wait(process, Patience(timeout_s, 0.0))
        finally:  # also when a signal ends the wait: the runner then kills what it started
            held.close()
            _wait(process, Patience(0.0, 0.0))
    remains = Remains(mark)
    while left := remains.living():  # of a runner that had to be killed
        send_to(left, signal.SIGKILL)
    return read_exit(directory) or ExitRecord("timeout", None, timeout_s)


def _wait(process: subprocess.Popen[bytes], patience: Patience) -> None:
    """Wait for a runner, which the script may have stopped by a signal."""
    if process.returncode is not None:
        return
    pidfd = os.pidfd_open(process.pid)
    try:
        while process.returncode is None:
            try:
                process.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                patience.see_to(process.pid, pidfd)
    finally:
        os.close(pidfd)


def named_options(help_text: str) -> frozenset[str]:
    """Return the long options that a help text declares, not those mentioned in its prose."""
    found: set[str] = set()
    is_usage = False
    for line in help_text.splitlines():
        is_usage = line.lower().startswith("usage:") or (is_usage and bool(line.strip()))
        entry = _ENTRY.match(line)
        if is_usage or entry:
            found.update(_OPTION.findall(line if is_usage or not entry else entry[1]))
    return frozenset(found)


def required_options(help_text: str) -> frozenset[str]:
    """Return the long options that stand without brackets in a usage line of argparse."""
    lines = help_text.partition("usage: ")[2].splitlines()
    usage = " ".join(itertools.takewhile(str.strip, lines))
    if "[-h]" not in usage:  # not written by argparse
        return frozenset()
    depth, outside = 0, []
    for character in re.sub(r"\{.*?\}", " ", usage):  # choices may be brackets
        depth -= character in ")]"
        outside.append(character if depth == 0 else " ")
        depth += character in "(["
    return frozenset(_OPTION.findall("".join(outside)))
