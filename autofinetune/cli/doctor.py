"""`autofinetune doctor`: check the machine, a script and its files, and say what to fix."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from autofinetune.cli.options import Parser
from autofinetune.doctor import cards, disk, files, machine
from autofinetune.doctor.finding import LIMIT_S, Check, Finding, Status, findings_of
from autofinetune.errors import UsageError
from autofinetune.visible import counted, visible, visible_lines

_FILES = (".yaml", ".yml", ".json")
_DRIVER_S = 40.0  # the driver itself gets 30 s
_WIDTHS = (9, 13)


def doctor_command(argv: Sequence[str]) -> int:
    """Print one line for each check and return the exit code: that of the worst problem."""
    parser = Parser("doctor", description=__doc__)
    parser.add_argument(
        "what", nargs="*", help="a script, its hparam.yaml, and the directory of a run, as needed"
    )
    parser.add_argument(
        "--param_file", "--param-file", metavar="FILE", help="the list of hyperparameters"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    options = parser.parse_args(argv)
    script, param_file, run = _sorted(options.what, options.param_file or "")
    found: list[Finding] = []
    for name, check, limit_s in _checks(script, param_file, run):
        new = findings_of(name, check, limit_s)
        found += new
        if not options.json:
            for finding in new:
                print(_line(finding), flush=True)
    problems = [one for one in found if one.status is Status.PROBLEM]
    warnings = [one for one in found if one.status is Status.WARNING]
    # A broken machine comes first: until it is fixed, nothing else can be tried.
    exit_code = max((one.exit_code for one in problems), default=0)
    if options.json:
        print(json.dumps({
            "checks": [{"name": one.name, "status": one.status.value, "text": one.text,
                        "todo": one.todo} for one in found],
            "problems": len(problems), "warnings": len(warnings), "exit_code": exit_code,
        }))  # fmt: skip
    else:
        print(f"{counted(len(problems), 'problem')}, {counted(len(warnings), 'warning')}")
    return exit_code


def _sorted(words: Sequence[str], param_file: str) -> tuple[str, str, str]:
    """Return the script, the file of hyperparameters and the run among the arguments."""
    found = {"script": "", "file": param_file, "run": ""}
    for word in words:
        path = Path(word)
        kind = "run" if path.is_dir() else "file" if path.suffix in _FILES else "script"
        if found[kind]:
            what = {"script": "script", "file": "file of hyperparameters", "run": "run"}[kind]
            raise UsageError(
                f"{word} is a second {what} after {found[kind]}", "check one at a time"
            )
        found[kind] = word
    return found["script"], found["file"], found["run"]


def _checks(script: str, param_file: str, run: str) -> Iterator[tuple[str, Check, float | None]]:
    """Yield each check with its name and its limit in seconds; some have limits of their own."""
    here = Path.cwd()
    for check in (machine.python, machine.environment, machine.packages, machine.kernel):
        yield check.__name__, check, LIMIT_S
    yield "gpu", cards.cards, _DRIVER_S
    for check in (machine.cores, machine.memory, machine.shared_memory, machine.limits,
                  machine.clock):  # fmt: skip
        yield check.__name__, check, LIMIT_S
    folder = Path(run).absolute() if run else here
    yield "disk", partial(disk.space, folder), LIMIT_S
    yield "writing", partial(disk.writing, folder), LIMIT_S
    yield "home", disk.home, LIMIT_S
    yield "visualdl", disk.visualdl, None
    if param_file:
        yield "file", partial(files.param_file, param_file), LIMIT_S
    if script:
        yield "script", partial(files.script, script), None
        yield "options", partial(files.options, script, param_file), None
        yield "score", partial(files.score, script), None
    if run:
        yield "run", partial(files.run, run), LIMIT_S


def _line(finding: Finding) -> str:
    status, name = (word.ljust(width) for word, width in
                    zip((finding.status.value, finding.name), _WIDTHS, strict=True))  # fmt: skip
    indent = " " * sum(_WIDTHS)
    text = visible_lines(finding.text).replace("\n", f"\n{indent}")
    todo = f"\n{indent}-> {visible(finding.todo)}" if finding.todo else ""
    return f"{status}{name}{text}{todo}"
