"""Expected errors, caused by the user or the environment, each with its exit code.

Every message has three parts: what is wrong, what is allowed, what to do next. Only `cli.main`
turns errors into text; a bug keeps its traceback.
"""

from __future__ import annotations

import dataclasses
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
    """A problem with an option of a run, independent of how the option is spelled when shown."""

    option: str  # such as `popsize`; empty if the mistake is not about an option
    problem: str  # worded to follow the option and its value: `must be above 0`
    value: object = None  # what was given; None to leave it out of the message
    part: str = ""  # what is wrong in the value, such as `tasks[0]`; shown instead of the option
    is_sentence: bool = False  # whether the problem is a complete message by itself

    def __str__(self) -> str:
        """Return the message as the command line words it."""
        return self.worded("--")

    def worded(self, dashes: str = "") -> str:
        """Return the message; `dashes` precede the name of an option."""
        if self.is_sentence or not (self.option or self.part):
            return self.problem
        if self.part:
            return f"{self.part}: {self.problem}"
        value = "" if self.value is None else f"={self.value!s:.200}"
        joint = "" if self.problem.startswith((":", ",")) else " "
        return f"{dashes}{self.option}{value}{joint}{self.problem}"


class UsageError(AutofinetuneError):
    """A wrong command line, file or argument; nothing was started."""

    exit_code = 2

    def __init__(self, message: str | Mistake, tip: str | None = None) -> None:
        super().__init__(str(message), tip)
        if not isinstance(message, Mistake):
            message = Mistake("", message, is_sentence=True)
        self.mistake = message

    def about(self, option: str) -> None:
        """Set the option that the mistake is about, unless it already names one."""
        if not self.mistake.option:
            self.mistake = dataclasses.replace(self.mistake, option=option)


class ConfigError(UsageError):
    """All mistakes `found` in one source, reported at once; `mistakes` holds their messages."""

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
    """A bug that showed during a run."""

    exit_code = 3


class EnvironmentProblem(AutofinetuneError):
    """A problem of the machine: disk space, permission, device or journal."""


class DiskFull(EnvironmentProblem):
    """A failed write that may succeed later: no space, or a read-only file system."""


class DirectoryBusy(AutofinetuneError):
    """Another tuner is running in the output directory."""

    exit_code = 5


def did_you_mean(word: str, known: Iterable[str], show: Callable[[str], str] = repr) -> str:
    """Return a suggestion to append to a message about an unknown word; empty if none is close."""
    import difflib  # on use: `--help` has no need of it

    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {show(close[0])}?)" if close else ""
