"""The result of a check, and checks that can neither hang nor raise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from autofinetune.errors import AutofinetuneError, EnvironmentProblem, UsageError

LIMIT_S = 20.0  # for a check that waits for a disk or a driver


class Status(Enum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        name: what was checked, one word.
        text: what was found.
        status: whether it has to be fixed.
        todo: what to do about it; empty if nothing.
        exit_code: of the command, if it is a problem: that of the machine or of the user's files.
    """

    name: str
    text: str
    status: Status = Status.OK
    todo: str = ""
    exit_code: int = EnvironmentProblem.exit_code


Check = Callable[[], Iterator[Finding]]


def warning(name: str, text: str, todo: str) -> Finding:
    return Finding(name, text, Status.WARNING, todo)


def problem(name: str, text: str, todo: str) -> Finding:
    """Return a problem of the machine."""
    return Finding(name, text, Status.PROBLEM, todo)


def mistake(name: str, error: AutofinetuneError) -> Finding:
    """Return an error that the user has to fix in a script, a file or a command line."""
    return Finding(name, error.message, Status.PROBLEM, error.tip or "fix it", error.exit_code)


def findings_of(name: str, check: Check, limit_s: float | None = LIMIT_S) -> list[Finding]:
    """Return what a check finds; one that fails or takes too long becomes a finding itself.

    Without a limit it runs in this thread, and must have limits of its own.
    """
    found: list[Finding] = []

    def run() -> None:
        try:
            found.extend(check())
        except UsageError as error:
            found.append(mistake(name, error))
        except AutofinetuneError as error:
            found.append(problem(name, error.message, error.tip or "fix it"))
        except Exception as error:  # of a machine that is stranger than expected
            why = f"could not be checked: {type(error).__name__}: {error}"
            found.append(warning(name, why, "nothing, unless runs fail"))

    if limit_s is None:
        run()
        return found
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        why = f"did not answer within {limit_s:g} s"
        return [*found, problem(name, why, "check the disk or the driver behind it; see dmesg")]
    return found
