"""A process that forks commands, so that tests do not wait for their imports."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping


class Nursery:
    """A process that has loaded the command and forks tuners: a start costs no imports.

    What it forks runs the same `main` as `python -m autofinetune`, as a process of its own.
    """

    _CODE = """
import contextlib, importlib, json, os, signal, sys, traceback
import autofinetune.cli.run
for name in ("visualdl", "cma"):
    with contextlib.suppress(Exception):
        importlib.import_module(name)
from autofinetune.cli import main
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
for line in sys.stdin:
    task = json.loads(line)
    if "wait" in task:
        print(os.waitstatus_to_exitcode(os.waitpid(task["wait"], 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid:
        print(pid, flush=True)
        continue
    if "tty" in task:  # its terminal, as that of a new session
        os.setsid()
    null = os.open(task.get("tty", os.devnull), os.O_RDWR)
    out = os.open(task.get("tty", task["out"]), APPEND, 0o600)
    err = os.open(task["err"], APPEND, 0o600) if "err" in task else out
    for source, target in ((null, 0), (out, 1), (err, 2)):
        os.dup2(source, target)
    os.closerange(3, 64)
    if "tty" in task:  # streams that know that they are a terminal
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
    os.environ.clear()
    os.environ.update(task["env"])
    os.chdir(task["cwd"])
    if task.get("stop"):
        os.kill(os.getpid(), signal.SIGSTOP)
    try:
        code = main(task["words"])
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(code)  # taking all those modules down costs more than the run
"""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, start_new_session=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip

    def ask(self, task: Mapping[str, object]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


class Forked:
    """A tuner of the nursery."""

    def __init__(self, nursery: Nursery, task: Mapping[str, object]) -> None:
        self._nursery = nursery
        self._code: int | None = None
        self.pid = nursery.ask(task)

    def send_signal(self, signum: int) -> None:
        if self._code is None:
            os.kill(self.pid, signum)  # not collected before `wait`, so it is still this one

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None:
            pidfd = os.pidfd_open(self.pid)
            try:
                if not select.select([pidfd], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired("autofinetune", timeout or 0.0)
            finally:
                os.close(pidfd)
            self._code = self._nursery.ask({"wait": self.pid})
        return self._code
