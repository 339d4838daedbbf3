"""Calls a function in a fork, whose libraries and threads end with it.

Data-Juicer forks workers for every operator, and a fork of a process in which torch or scipy has
worked with threads may die. So objectives are scored in a process of their own.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping

from autofinetune.errors import AutofinetuneError, EnvironmentProblem, UsageError


def apart(function: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    """Return what a function without arguments returns in a fork of this process.

    Raise UsageError with the message of an expected error, EnvironmentProblem if it died.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os._exit(_answer(function, write))
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        text = answer.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0 or not text:
        raise EnvironmentProblem(f"the objective failed: its process ended with {status}")
    found = json.loads(text)
    if "error" in found:
        raise UsageError(found["error"])
    return {name: float(value) for name, value in found["scores"].items()}


def _answer(function: Callable[[], Mapping[str, float]], write: int) -> int:
    """Write what a function returns, or the message of its error; return the exit code."""
    try:
        try:
            answer: dict[str, object] = {"scores": dict(function())}
        except AutofinetuneError as error:
            answer = {"error": error.message}
        os.write(write, json.dumps(answer).encode())
        return 0
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        return 1
    finally:
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
