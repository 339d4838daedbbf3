"""The command line: our options, the script, and the arguments that are passed to train.py.

With `nargs=REMAINDER`, argparse would pass every option after the script to train.py. So the
command line is split first: options before and after the script are ours, up to the first word
that is not an option.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from autofinetune.config.option import RunOption
from autofinetune.config.options import OPTIONS
from autofinetune.config.script_args import option_name
from autofinetune.errors import UsageError, did_you_mean

USAGE = "autofinetune train.py --param_file=FILE --gpu=IDS [options] [key value ...]"
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


def run_parser(usage: str = USAGE) -> Parser:
    """Return the parser for the options of `autofinetune run`."""
    # With a width, argparse does not import shutil to ask the terminal for one.
    parser = Parser(
        usage=usage,
        add_help=False,
        formatter_class=functools.partial(argparse.HelpFormatter, width=79),
    )
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


def parse_run(argv: Sequence[str]) -> dict[str, Any]:
    """Return the given options of a run by name, including `script` and `script_args`.

    Raise UsageError if one is unknown, or one of ours is among the arguments for train.py.
    """
    parser = run_parser()
    return given_options(parser, divide(parser, argv))


def given_options(parser: Parser, words: Words) -> dict[str, Any]:
    """Return the options of a run as `parse_run` does, from a divided command line."""
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
