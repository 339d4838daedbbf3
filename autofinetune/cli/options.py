"""The command line: our options, the script, and the arguments that are passed to train.py.

With `nargs=REMAINDER`, argparse would pass every option after the script to train.py. So the
command line is split first: options before and after the script are ours, up to the first word
that is not an option.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from autofinetune.config.option import GROUPS, RunOption
from autofinetune.config.options import OPTIONS
from autofinetune.config.script_args import option_name
from autofinetune.errors import UsageError, did_you_mean

USAGE = "autofinetune train.py --param_file=FILE --gpu=IDS [options] [key value ...]"
# The commands that the help lists, in groups, each with its arguments and what it does.
COMMANDS: Mapping[str, Sequence[tuple[str, str]]] = {
    "start and continue a run": (
        ("run train.py ...", "the same as without `run`"),
        ("run experiment.yaml", "a manifest of TensorStack, NNI, W&B or Katib"),
        ("run result/config.yaml", "the same run again"),
        ("resume result/", "continue a run after Ctrl-C, a kill or a reboot"),
        ("replay result/", "train the schedule of the best model from scratch"),
    ),
    "look at a run": (
        ("status result/", "show the state of a run, even while it is running"),
        ("dashboard result/", "show it in the browser"),
        ("lineage result/", "show the hyperparameters that led to the best model"),
        ("rebuild result/", "rewrite all tables and pages from the journal"),
    ),
    "other": (
        ("strategies", "list the search algorithms and their options"),
        ("assessors", "list the assessors, which stop hopeless trials early"),
        ("convert sweep.yaml", "convert a search space or manifest of another tool"),
        ("report-final 0.93", "report a score from a script in any language"),
        ("completion bash", "print shell completion for bash, zsh or fish"),
    ),
}  # fmt: skip
EXAMPLES = """\
examples:
  autofinetune train.py --param_file=hparam.yaml --gpu=0,1 --popsize=5 --round=10
      50 trials, five per round, on cards 0 and 1, into output_<time>/
  autofinetune train.py --param_file=hparam.yaml --gpu=cpu:4 --evaluator=fulltrail \\
      --tuning_strategy=hazero --output_dir=result/ --seed=1 max_seq_len 128
      every trial from scratch, four at a time on the CPU; train.py also gets
      --max_seq_len=128
  autofinetune train.py --param_file=hparam.yaml --gpu=auto --dry-run -- --amp --lr_decay=0.5
      show what would be run; everything after -- goes to train.py

exit codes: 0 done, 2 bad usage or configuration, 3 every trial failed, 4 the machine
lacks something, 5 the directory is in use, 6 time limit reached, 130 interrupted
"""
_WIDTH = 79
_INDENT = 27
# Options of PaddleHub 1.2 that were renamed later.
_SUCCESSORS = {
    "--cuda": "now --gpu (such as --gpu=0,1)",
    "--evaluate_choice": "now --evaluator (fulltrail or populationbased)",
}


_UNKNOWN = "unrecognized arguments: "


class Words(NamedTuple):
    """A command line, split into its parts."""

    options: tuple[str, ...]
    script: str | None
    rest: tuple[str, ...]


class Parser(argparse.ArgumentParser):
    """A parser that raises UsageError instead of exiting and suggests similar options."""

    def __init__(self, command: str = "", **more: Any) -> None:
        super().__init__(prog=f"autofinetune {command}".strip(), allow_abbrev=False, **more)

    def error(self, message: str) -> NoReturn:
        tip = f"see {self.prog} --help"
        if self.prog == "autofinetune" and message.startswith(_UNKNOWN):
            tip += "; options of train.py come last: as pairs (max_seq_len 128) or after a bare --"
        raise UsageError(f"{message}{self._guess(message)}", tip)

    def _guess(self, message: str) -> str:
        if not message.startswith(_UNKNOWN):
            return ""
        words = [word.partition("=")[0] for word in message.split()[2:]]
        old = [f"{word} is {_SUCCESSORS[word]}" for word in words if word in _SUCCESSORS]
        if old:
            return f"; options of PaddleHub 1.2: {', '.join(old)}"
        word = words[0]
        return did_you_mean(word, self._option_string_actions, str)


def run_parser() -> Parser:
    """Return the parser for the options of `autofinetune run`."""
    parser = Parser(usage=USAGE, add_help=False)
    for option in OPTIONS.values():
        add_option(parser, option)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--version", action="store_true")
    return parser


def add_option(parser: argparse.ArgumentParser, option: RunOption, text: str = "") -> None:
    """Add an option in both spellings, --param_file and --param-file."""
    spellings = dict.fromkeys([f"--{option.name}", f"--{option.name.replace('_', '-')}"])
    text = (text or option.help).replace("%", "%%")
    if not option.metavar:
        parser.add_argument(*spellings, dest=option.name, action="store_true", help=text)
        return
    action = "append" if option.may_repeat else "store"
    parser.add_argument(
        *spellings, dest=option.name, metavar=option.metavar, action=action, help=text
    )


def short_help() -> str:
    """Return help that fits on a screen: the commands and the options that most runs need."""
    basic = [_short_row(option) for option in OPTIONS.values() if option.is_basic]
    parts = [
        f"usage: {USAGE}",
        "Tune the hyperparameters of train.py on the cards of this machine.",
        _section("options that most runs need", basic),
        *(_section(title, rows) for title, rows in COMMANDS.items()),
        "all options: autofinetune run --help",
    ]
    return "\n\n".join(parts)


def long_help() -> str:
    """Return the help with all options of a run, in groups."""
    parts = [f"usage: {USAGE}"]
    for group in GROUPS:
        rows = map(_row, (option for option in OPTIONS.values() if option.group == group))
        parts.append(_section(group, rows))
    return "\n\n".join([*parts, EXAMPLES.rstrip()])


def _row(option: RunOption) -> tuple[str, str]:
    value = f"={option.metavar}" if option.metavar else ""
    return f"--{option.name}{value}", option.help


def _short_row(option: RunOption) -> tuple[str, str]:
    """Return the option with the first clause of its text."""
    text = re.split("[;:(]", option.text)[0].strip()
    return _row(option)[0], text + (" (required)" if option.unset == "required" else "")


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"{title}:"]
    for head, text in rows:
        first, *others = textwrap.wrap(text, _WIDTH - _INDENT, break_on_hyphens=False)
        if len(head) + 4 > _INDENT:
            lines.append(f"  {head}")
            lines.append(" " * _INDENT + first)
        else:
            lines.append(f"  {head}".ljust(_INDENT) + first)
        lines += [" " * _INDENT + line for line in others]
    return "\n".join(lines)


def parse_run(argv: Sequence[str]) -> dict[str, Any]:
    """Return the given options of a run by name, including `script` and `script_args`.

    Raise UsageError if one is unknown, or one of ours is among the arguments for train.py.
    """
    parser = run_parser()
    words = divide(parser, argv)
    found = vars(parser.parse_args(words.options))
    _check_rest(parser, words.rest)
    options = {
        name: value
        for name, value in found.items()
        if name in OPTIONS and value is not None and value is not False
    }
    if words.script is not None:
        options["script"] = words.script
    if words.rest:
        options["script_args"] = words.rest
    return options


def divide(parser: argparse.ArgumentParser, argv: Sequence[str]) -> Words:
    """Split a command line into our options, the script, and the rest for train.py."""
    takes_value = {
        spelling
        for spelling, action in parser._option_string_actions.items()
        if action.nargs is None
    }
    options: list[str] = []
    script: str | None = None
    index = 0
    while index < len(argv):
        word = argv[index]
        if word == "--":
            return Words(tuple(options), script, tuple(argv[index:]))
        if word.startswith("-"):
            options.append(word)
            if word in takes_value and index + 1 < len(argv):
                index += 1
                options[-1] = f"{word}={argv[index]}"
        elif script is None:
            script = word
        else:
            return Words(tuple(options), script, tuple(argv[index:]))
        index += 1
    return Words(tuple(options), script, ())


def _check_rest(parser: argparse.ArgumentParser, rest: Sequence[str]) -> None:
    for word in rest:
        if word == "--":
            return
        if word.startswith("--") and f"--{option_name(word)}" in parser._option_string_actions:
            raise UsageError(
                f"{word} comes after {rest[0]!r}, where everything is passed to train.py",
                f"put it before {rest[0]!r}; to pass it to train.py, put it after a bare --",
            )
