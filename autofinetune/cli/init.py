"""`autofinetune init`: draft an hparam.yaml from the options of a script."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from autofinetune.cli.options import Parser
from autofinetune.config.commands import SAVED_DIR_MACRO
from autofinetune.config.config import SAVED_PARAMS_DIR
from autofinetune.config.passing import CALLS, HYDRA
from autofinetune.draft.entries import Draft, drafted
from autofinetune.draft.match import place_of_output
from autofinetune.draft.option import ScriptOption
from autofinetune.draft.read import Reading, read_script
from autofinetune.draft.text import hparam_yaml, range_of
from autofinetune.errors import UsageError
from autofinetune.run.score_source import Score, score_of
from autofinetune.space import parse_yaml, read_space
from autofinetune.store.directory import write_atomically
from autofinetune.terminal import err
from autofinetune.visible import counted, visible

_MOST_SHOWN = 20


def init_command(argv: Sequence[str]) -> int:
    """Write the draft, print how to start a run with it, and return the exit code."""
    parser = Parser("init", description=__doc__)
    parser.add_argument("script", help="the training script; it is read, and run with --help")
    parser.add_argument(
        "--output",
        metavar="FILE",
        default="hparam.yaml",
        help="output file (default: hparam.yaml)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite the output file")
    parser.add_argument(
        "--print", action="store_true", dest="is_printed", help="print the file, write nothing"
    )
    parser.add_argument(
        "--skip-preflight", "--skip_preflight", action="store_true", dest="is_only_read",
        help="do not run the script with --help",
    )  # fmt: skip
    options = parser.parse_args(argv)
    output = Path(options.output)
    if not options.is_printed and not options.force and os.path.lexists(output):
        raise UsageError(
            f"{output} already exists",
            "give another --output, or pass --force to overwrite it, or --print to look first",
        )
    reading = read_script(
        options.script, sys.executable, str(Path.cwd()), os.environ,
        is_asked=not options.is_only_read,
    )  # fmt: skip
    draft = drafted(reading.options)
    if not draft.active:
        raise _nothing_found(options.script, reading, draft)
    text = hparam_yaml(options.script, draft)
    read_space(parse_yaml(text.encode(), str(output)))
    if options.is_printed:
        sys.stdout.buffer.write(text.encode())  # the same bytes as in a file
        sys.stdout.flush()
    else:
        write_atomically(output, text.encode())
    # What is printed must stay a file that can be redirected.
    tell = err if options.is_printed else print
    for line in _told(options.script, output, reading, draft):
        tell(visible(line))
    return 0


def _told(script: str, output: Path, reading: Reading, draft: Draft) -> Iterator[str]:
    """Yield the lines about the draft, the score of the script, and the command to start."""
    more = len(draft.entries) - len(draft.active)
    yield (
        f"{output}: {counted(len(draft.active), 'hyperparameter')} of {script} to search"
        + (f", and {more} more as comments" if more else "")
    )
    width = max(len(entry.option.name) for entry in draft.active)
    for entry in draft.active:
        yield f"  {entry.option.name.ljust(width)}  {range_of(entry)}"
    if reading.problem:
        asked = "--cfg job" if reading.passing == HYDRA else "--help"
        yield (
            f"note: {script} {asked} failed, so only its source was read: {reading.problem}; a "
            "run needs it, too"
        )
    score = score_of(reading.modules)
    yield from _about_score(script, reading, score)
    yield "start with:"
    yield f"  {command(script, output, reading, draft, score)}"
    needed = _needed(reading, draft)
    if needed:
        names = ", ".join(option.name for option in needed)
        yield f"  where {script} needs your values for: {names}"


def _about_score(script: str, reading: Reading, score: Score) -> Iterator[str]:
    """Yield how the score reaches the tuner."""
    source = reading.source
    less = "; lower is better, hence --direction=minimize" if score.is_minimized else ""
    if score.reports:
        yield f"score: {script} reports it{less}"
    elif score.metric:
        yield f"score: {script} logs {score.metric!r}, which --metric takes{less}"
    elif score.pattern:
        yield f"score: {script} prints {score.label!r}, which --metric_pattern reads{less}"
    elif source is not None and source.may_report:
        yield (
            f"score: {script} uses a library that logs values, but their names are not in its "
            "source; put the right one in place of NAME"
        )
    else:
        yield f"score: {script} reports none. Add these two lines where it is known:"
        yield "  import autofinetune"
        yield "  autofinetune.report_final_result(score)  # higher is better"


def command(script: str, output: Path, reading: Reading, draft: Draft, score: Score) -> str:
    """Return the command line that starts a run with the drafted file."""
    words = ["autofinetune", script, f"--param_file={output}", "--gpu=auto"]
    source = reading.source
    if not reading.continues_models:
        words.append("--evaluator=fulltrail")
    if not score.reports:
        is_logged = source is not None and source.may_report
        if score.metric:
            words.append(f"--metric={score.metric}")
        elif score.pattern:
            words.append(f"--metric_pattern={score.pattern}")
        elif is_logged:
            words.append("--metric=NAME")
    if score.is_minimized:
        words.append("--direction=minimize")
    if not reading.is_checkable:
        words.append("--skip_preflight")
    given = [word for option in _needed(reading, draft) for word in (option.name, "VALUE")]
    given += _saving(reading)
    if reading.command:
        pairs = zip(given[::2], given[1::2], strict=True)
        words += ["--", reading.command, *(f"--{name}={value}" for name, value in pairs)]
    elif reading.passing != CALLS:
        words += given
    return shlex.join(words)


def _saving(reading: Reading) -> list[str]:
    """Return the option with which each trial saves its model apart from the others, if any."""
    if any(option.name == SAVED_PARAMS_DIR for option in reading.options):
        return []
    found = [
        (place, option)
        for option in reading.options
        if (place := place_of_output(option.name)) is not None and not option.obstacle
        if isinstance(option.default, str) or option.is_required
    ]
    if not found:
        return []
    _, option = min(found, key=lambda one: one[0])
    default = str(option.default or "")
    file = f"/{Path(default).name}" if Path(default).suffix else ""
    return [option.name, SAVED_DIR_MACRO + file]


def _needed(reading: Reading, draft: Draft) -> list[ScriptOption]:
    """Return the options that the script requires and trials do not set."""
    searched = {entry.option.name for entry in draft.active}
    return [
        option
        for option in reading.options
        if option.is_required
        and option.name not in searched
        and option.default is None
        and place_of_output(option.name) is None
    ]


def _nothing_found(script: str, reading: Reading, draft: Draft) -> UsageError:
    if not reading.options:
        why = f" (its --help failed: {reading.problem})" if reading.problem else ""
        return UsageError(
            f"{script} has no options that could be found{why}",
            'give it one for each hyperparameter, such as parser.add_argument("--lr", type=float, '
            "default=0.001), and run this command again",
        )
    lines = [f"  {option.name}: {why}" for option, why in draft.left_out[:_MOST_SHOWN]]
    more = len(draft.left_out) - len(lines)
    lines += [f"  and {more} more"] if more > 0 else []
    head = f"none of the {counted(len(reading.options), 'option')} of {script} can be searched:"
    return UsageError(
        "\n".join([head, *lines]),
        "write an hparam.yaml yourself; hparam_examples/ shows all types",
    )
