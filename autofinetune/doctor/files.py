"""Checks a script, its hparam.yaml and a run."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from autofinetune.doctor.finding import Finding, Status, mistake, warning
from autofinetune.doctor.imports import Needed, needed_packages
from autofinetune.draft.read import python_source, read_script
from autofinetune.errors import UsageError
from autofinetune.executors import ask_for_options
from autofinetune.run.directories import (
    existing_run,
    host_out_of_sight,
    is_tuner_alive,
    of_the_journal,
)
from autofinetune.run.overview import look
from autofinetune.run.preflight import check_script
from autofinetune.run.score_source import score_of
from autofinetune.run.script_source import Module, findings_in
from autofinetune.run.session import configured, examined
from autofinetune.space import load_space
from autofinetune.store.journal import SqliteJournal
from autofinetune.visible import counted

_USAGE = UsageError.exit_code
_IMPORTS_S = 60.0
_FIND = """
import importlib.util, json, sys
sys.path[0] = sys.argv[1]
missing = []
for name in sys.argv[2:]:
    try:
        found = importlib.util.find_spec(name)
    except ValueError:
        found = True
    if found is None:
        missing.append(name)
print(json.dumps(missing))
"""


def script(name: str) -> Iterator[Finding]:
    """Check the source of a script and its imports."""
    modules = _modules(name)
    if not modules:
        yield Finding("script", f"{name} is a program that is not written in Python")
        return
    yield Finding("script", f"{name} is valid Python")
    yield from _imports(Path(name).absolute(), modules)


def _modules(name: str) -> Sequence[Module]:
    return python_source(name, sys.executable, str(Path.cwd()), os.environ)


def _is_readable(name: str) -> bool:
    """Return whether the check of the script itself found no problem."""
    try:
        _modules(name)
    except UsageError:
        return False
    return True


def _imports(path: Path, modules: Sequence[Module]) -> Iterator[Finding]:
    """Check that the packages of a script can be found; nothing is imported."""
    needed = needed_packages(modules)
    found = ask_for_options(
        [sys.executable, "-c", _FIND, str(path.parent), *needed],
        working_dir="/", env=dict(os.environ), timeout_s=_IMPORTS_S, question=(),
    )  # fmt: skip
    try:
        missing = json.loads(found.output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        yield warning("imports", f"could not be checked: {found.problem}", "run the script once")
        return
    always = [name for name in missing if needed[name] is Needed.ALWAYS]
    later = [name for name in missing if needed[name] is Needed.LATER]
    if always:
        text = f"not installed in {sys.prefix}: {', '.join(always)}"
        todo = f"install there what provides them, such as: pip install {' '.join(always)}"
        yield Finding("imports", text, Status.PROBLEM, todo, _USAGE)
    if later:
        text = f"not installed, and imported in functions or under conditions: {', '.join(later)}"
        yield warning("imports", text, "install them if these parts of the script are used")
    if not always and not later:
        yield Finding("imports", f"{counted(len(needed), 'package')} can be found")


def options(name: str, param_file: str) -> Iterator[Finding]:
    """Check the options of a script, against the hyperparameters if there is a file of them."""
    if not _is_readable(name):
        return
    with contextlib.suppress(UsageError):  # a mistake in the file is a finding of its own
        if param_file and load_space(param_file):
            yield _options_for(name, param_file)
            return
    reading = read_script(name, sys.executable, str(Path.cwd()), os.environ)
    if reading.problem:
        todo = "fix it: a run asks for it before it starts"
        text = f"--help does not list the options: {reading.problem}"
        yield Finding("options", text, Status.PROBLEM, todo, _USAGE)
    elif not reading.options:
        yield warning(
            "options", f"{name} has none that could be found",
            "give it an option for each hyperparameter, for instance by argparse",
        )  # fmt: skip
    else:
        text = f"{len(reading.options)}; to draft their ranges: autofinetune init {name}"
        yield Finding("options", text)


def _options_for(name: str, param_file: str) -> Finding:
    """Check the options against the hyperparameters, as a run does before it starts."""
    folder = str(Path.cwd())
    reading = read_script(name, sys.executable, folder, os.environ, is_asked=False)
    given = {"script": name, "param_file": param_file, "gpu": "cpu"}
    from_scratch = not reading.continues_models
    if from_scratch:
        given["evaluator"] = "fulltrail"
    config = examined(configured(given), given, lambda sentence: None)
    try:
        check_script(config, os.environ, lambda sentence: None)
    except UsageError as error:
        return mistake("options", error)
    how = "; it continues no models, so give --evaluator=fulltrail" if from_scratch else ""
    return Finding("options", f"{name} takes the hyperparameters of {param_file}{how}")


def score(name: str) -> Iterator[Finding]:
    """Check how a script reports its score."""
    modules = _modules(name) if _is_readable(name) else ()
    if modules:
        yield _score(name, modules)


def _score(name: str, modules: Sequence[Module]) -> Finding:
    found, source = score_of(modules), findings_in(modules)
    less = " --direction=minimize" if found.is_minimized else ""
    if found.reports:
        return Finding("score", f"{name} reports it" + (f"; use{less}" if less else ""))
    if found.metric:
        return Finding("score", f"use --metric={found.metric}{less}")
    if found.pattern:
        return Finding("score", f"use --metric_pattern='{found.pattern}'{less}")
    if source is not None and source.may_report:
        return Finding("score", f"a library of {name} logs values; name one with --metric")
    return warning(
        "score",
        f"{name} neither reports nor prints one that could be found",
        "call autofinetune.report_final_result(score) at its end",
    )


def param_file(name: str) -> Iterator[Finding]:
    """Check a list of hyperparameters."""
    space = load_space(name)
    yield Finding("file", f"{name}: {', '.join(space.names)}")
    for note in space.notes:
        yield warning("file", note, "change it if that is not what you mean")


def run(directory: str) -> Iterator[Finding]:
    """Check the directory of a run."""
    with existing_run(directory) as paths:
        is_alive = is_tuner_alive(paths.lock)
        host = host_out_of_sight(paths.lock)
        journal = SqliteJournal(paths.journal, read_only=True)
        with contextlib.closing(journal), of_the_journal(paths):
            found = look(journal, is_tuner_alive=is_alive, host=host)
    counts = ", ".join(f"{n} {status}" for status, n in found.counts.items() if n)
    why = f" ({found.reason})" if found.reason else ""
    text = f"{directory}: {found.state.value}{why}, {counts or 'no trials'}"
    if found.state.value == "ERROR":
        yield warning("run", text, f"autofinetune resume {directory}")
    else:
        yield Finding("run", text)
    for slot, reason in found.quarantined.items():
        yield warning("run", f"slot {slot} gets no more trials: {reason}",
                      f"fix it, then: autofinetune resume {directory}")  # fmt: skip
    failed = sum(n for status, n in found.counts.items() if str(status).upper() == "FAILED")
    if failed:
        yield warning(
            "run",
            f"{counted(failed, 'trial')} failed",
            "see the end of its log" if failed == 1 else "see the ends of their logs",
        )
