"""What can go wrong because of the world or the user, each with its exit code.

Every error carries a message of three parts: what is wrong, what is allowed, what to do next.
`cli.main` is the one place that turns them into text; a bug keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence


class AutofinetuneError(Exception):
    """An expected failure: shown as one message without a traceback."""

    exit_code = 4

    def __init__(self, message: str, tip: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.tip = tip


class Mistake(str):
    """One of several mistakes, with the option it is about, where it does not begin with it."""

    option: str

    def __new__(cls, option: str, text: str) -> Mistake:
        made = super().__new__(cls, text)
        made.option = option
        return made


class UsageError(AutofinetuneError):
    """The command line, a file or an argument is wrong; nothing was started."""

    exit_code = 2
    option = ""
    """Whose value is wrong, where the message does not begin with it."""


class ConfigError(UsageError):
    """All mistakes found in one source, reported at once."""

    def __init__(self, source: str, mistakes: Sequence[str], tip: str | None = None) -> None:
        self.source = source
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        head = f"{source} has {count} mistake{'s' if count != 1 else ''}:"
        super().__init__("\n".join([head, *(f"  {line}" for line in self.mistakes)]), tip)


class AllTrialsFailed(AutofinetuneError):
    """The run ended and no trial has a score."""

    exit_code = 3


class InternalError(AutofinetuneError):
    """Something that should not happen happened while a run was going on."""

    exit_code = 3


class EnvironmentProblem(AutofinetuneError):
    """The machine lacks something: disk, permission, device, journal."""

    exit_code = 4


class DiskFull(EnvironmentProblem):
    """A write that may succeed later: no space, or a read-only file system."""


class DirectoryBusy(AutofinetuneError):
    """Another tuner is at work in the output directory."""

    exit_code = 5


def did_you_mean(word: str, known: Iterable[str], show: Callable[[str], str] = repr) -> str:
    """The end of a message about a word that is unknown: what it may have meant, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {show(close[0])}?)" if close else ""
