"""The help: one screen for a start, all options of a run, and all commands."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from autofinetune.cli import commands
from autofinetune.cli.commands import COMMANDS
from autofinetune.cli.options import USAGE
from autofinetune.config.option import GROUPS, RunOption
from autofinetune.config.options import OPTIONS
from autofinetune.errors import UsageError, did_you_mean

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


def help_command(argv: Sequence[str]) -> int:
    """Print the list of commands and return the exit code; `help COMMAND` is dispatched before."""
    names = [word for word in argv if not word.startswith("-")]
    if names:
        raise UsageError(
            f"there is no command {names[0]!r:.60}{did_you_mean(names[0], COMMANDS)}",
            "list all commands with: autofinetune help",
        )
    print(command_help())
    return 0


def short_help() -> str:
    """Return help that fits on a screen: what most runs need, and the names of the rest."""
    basic = [_short_row(option) for option in OPTIONS.values() if option.is_basic]
    parts = [
        f"usage: {USAGE}",
        "Tune the hyperparameters of train.py on the cards of this machine.",
        _section("options that most runs need", basic),
        *map(_short_group, commands.GROUPS),
        "all options: autofinetune run --help      all commands: autofinetune help",
    ]
    return "\n\n".join(parts)


def long_help() -> str:
    """Return the help with all options of a run, in groups."""
    parts = [f"usage: {USAGE}"]
    for group in GROUPS:
        rows = map(_row, (option for option in OPTIONS.values() if option.group == group))
        parts.append(_section(group, rows))
    return "\n\n".join([*parts, EXAMPLES.rstrip()])


def command_help() -> str:
    """Return the help with all commands, in groups."""
    parts = ["usage: autofinetune COMMAND ..."]
    for group in commands.GROUPS:
        rows = [(one.usage, one.text) for one in COMMANDS.values() if one.group == group]
        parts.append(_section(group, rows))
    return "\n\n".join([*parts, "the options of a command: autofinetune COMMAND --help"])


def _short_group(group: str) -> str:
    own = {name: one for name, one in COMMANDS.items() if one.group == group}
    rows = [(one.usage, one.text) for one in own.values() if one.is_basic]
    others = ", ".join(name for name, one in own.items() if not one.is_basic)
    more = textwrap.wrap(
        f"{'also: ' if rows else ''}{others}",
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
    return "\n".join([_section(group, rows), *more])


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
