"""The command `autofinetune`: dispatch to the subcommands and print errors."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
from collections.abc import Sequence

from autofinetune import terminal
from autofinetune.cli.commands import COMMANDS
from autofinetune.errors import AutofinetuneError, EnvironmentProblem
from autofinetune.version import __version__
from autofinetune.visible import visible_lines

_TIPS = {errno.EMFILE: "allow this process more open files, for instance: ulimit -n 1024"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    terminal.prepare()
    _activate()
    try:
        return _dispatch(words)
    except AutofinetuneError as error:
        _complain(error.message, error.tip)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    except OSError as error:
        _complain(str(error), _TIPS.get(error.errno or 0, "fix the cause and try again"))
        return EnvironmentProblem.exit_code
    finally:
        terminal.let_go()


def _activate() -> None:
    """Put our virtual environment first on PATH, so that trials find its `python3`.

    If it is already on PATH, the user chose its position, so PATH is left alone.
    """
    own = f"{sys.prefix}/bin"
    path = os.environ.get("PATH", os.defpath)
    if sys.prefix != sys.base_prefix and own not in path.split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join((own, path))


def _complain(message: str, tip: str | None) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    terminal.err(f"ERROR {visible_lines(message)}")
    if tip:
        terminal.err(f"TIP   {visible_lines(tip)}")


def _dispatch(words: list[str]) -> int:
    if len(words) > 1 and words[0] == "help" and words[1] in COMMANDS:
        words = [words[1], "--help"]
    command = words[0] if words else "--help"
    if command in COMMANDS and command != "run":
        return _call(command, words[1:])
    is_run = command == "run"
    own = words[1:] if is_run else words
    from autofinetune.cli.help import long_help, short_help
    from autofinetune.cli.options import divide, run_parser

    typed = divide(run_parser(), own).options  # those before the arguments for train.py
    if not is_run and "--version" in typed:
        print(f"autofinetune {__version__}")
        return 0
    if not words or {"--help", "-h"}.intersection(typed):
        print(long_help() if is_run else short_help())
        return 0
    return _call("run", own)


def _call(command: str, words: Sequence[str]) -> int:
    module, _, function = COMMANDS[command].place.partition(":")
    found = importlib.import_module(f"autofinetune.cli.{module}")
    return int(getattr(found, function)(words))
