"""What can go wrong because of the world or the user, each with its exit code.

Every error carries a message of three parts: what is wrong, what is allowed, what to do next.
`cli.main` is the one place that turns them into text; a bug keeps its traceback.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


class AutofinetuneError(Exception):
    """An expected failure: shown as one message without a traceback."""

    exit_code = 4

    def __init__(self, message: str, tip: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.tip = tip


@dataclass(frozen=True)
class Mistake:
    """What is wrong with an option of a run; whoever shows it knows what the option is called.

    Args:
        option: its name, such as `popsize`; empty for a mistake about no option.
        problem: what is wrong, as it follows the option and its value: `must be above 0`.
        value: what was given; None if the problem says all.
        part: the part of the value that is wrong, such as `tasks[0]`; it is named instead.
        is_sentence: whether the problem says all by itself.
    """

    option: str
    problem: str
    value: object = None
    part: str = ""
    is_sentence: bool = False

    def __str__(self) -> str:
        """Return it in the words of the command line."""
        return self.worded("--")

    def worded(self, dashes: str = "") -> str:
        """Return it with the option named as the command line, Python or a file name it.

        Args:
            dashes: what stands before the name of an option.
        """
        if self.is_sentence or not (self.option or self.part):
            return self.problem
        if self.part:
            return f"{self.part}: {self.problem}"
        value = "" if self.value is None else f"={self.value!s:.200}"
        joint = "" if self.problem.startswith((":", ",")) else " "
        return f"{dashes}{self.option}{value}{joint}{self.problem}"


class UsageError(AutofinetuneError):
    """The command line, a file or an argument is wrong; nothing was started."""

    exit_code = 2

    def __init__(self, message: str | Mistake, tip: str | None = None) -> None:
        super().__init__(str(message), tip)
        if not isinstance(message, Mistake):
            message = Mistake("", message, is_sentence=True)
        self.mistake = message

    def about(self, option: str) -> None:
        """Say which option it is about, unless it says that itself."""
        if not self.mistake.option:
            self.mistake = dataclasses.replace(self.mistake, option=option)


class ConfigError(UsageError):
    """All mistakes found in one source, reported at once.

    `found` are those mistakes, and `mistakes` the same in words.
    """

    def __init__(
        self, source: str, mistakes: Sequence[str | Mistake], tip: str | None = None
    ) -> None:
        self.source = source
        self.found = tuple(mistakes)
        self.mistakes = tuple(map(str, mistakes))
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
