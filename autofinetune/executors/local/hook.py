"""Run a command of the user that is no trial, with data on its standard input."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence

_MOST_SHOWN = 4096  # bytes of its output


def run_hook(words: Sequence[str], data: bytes, *, working_dir: str, timeout_s: float) -> str:
    """Run a command, at most `timeout_s` seconds; return an empty string or the problem.

    There is no shell. What is left of its process group is killed when it takes too long.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as given:
        given.write(data)
        given.seek(0)
        try:
            process = subprocess.Popen(
                list(words), stdin=given, stdout=out, stderr=subprocess.STDOUT,
                cwd=working_dir, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return f"cannot be started: {error.strerror or error}"
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"took longer than {timeout_s:g} s and was killed"
        if code == 0:
            return ""
        size = out.seek(0, os.SEEK_END)
        out.seek(max(0, size - _MOST_SHOWN))
        lines = out.read(_MOST_SHOWN).decode(errors="replace").strip().splitlines()
        how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
        return how + (f": {lines[-1]}" if lines else "")
