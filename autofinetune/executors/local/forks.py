"""The preload process of a run: it imports the script's modules once, and trials are its forks.

If anything goes wrong with it, trials start the ordinary way, and one message says why.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autofinetune.executors.base import Attempt
from autofinetune.executors.files.hand_over import with_layer
from autofinetune.preload.steps import imports_among
from autofinetune.runner.processes import MARK_VARIABLE

MAX_MESSAGE = 1 << 16
ANSWER_PATIENCE_S = 10.0
_END_PATIENCE_S = 5.0
ORDER_VARIABLE = "AUTOFINETUNE_PRELOAD"  # as in preload/boot
_ROOM = 8192  # bytes for the command line and variables of a trial, as `ps` shows them
# Variables in which a trial may differ from the process it is forked from: nothing reads them
# before CUDA starts or the script does.
_LATE = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", MARK_VARIABLE)
_LATE_PREFIX = "AUTOFINETUNE_"


@dataclass(frozen=True)
class Imports:
    """What to import once, and for which script; `steps` as in `preload.steps`."""

    python: str
    script: str
    working_dir: str
    steps: tuple[str, ...]

    @property
    def title(self) -> str:
        """What is imported, for messages: the installed packages, if there are any."""
        tops = [re.split("[.:?]", step)[0] for step in imports_among(self.steps)]
        packages = [top for top in tops if top not in sys.stdlib_module_names]
        return ", ".join(dict.fromkeys(packages or tops))

    def begins(self, attempt: Attempt) -> bool:
        """Whether the attempt is this script, run by this Python in this directory."""
        same = attempt.argv[:2] == (self.python, self.script)
        return same and attempt.working_dir == self.working_dir


def common_environment(
    environ: Mapping[str, str], slots: Sequence[Mapping[str, str]]
) -> dict[str, str]:
    """Return the variables of the run and of its slots that all trials share."""
    first = slots[0] if slots else {}
    common = {n: v for n, v in first.items() if all(slot.get(n) == v for slot in slots)}
    return {**environ, **common}


class ForkServer:
    """Starts runners as forks of a process that has already imported the modules.

    That process is started at once and imports in the background; `start` declines until it is
    ready. `environ` are the variables that all trials share.
    """

    def __init__(
        self, imports: Imports, environ: Mapping[str, str], notice: Callable[[str], None]
    ) -> None:
        self._imports = imports
        self._environ = dict(environ)
        self._notice = notice
        self._is_ready = False
        self._told: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = self._start_server(theirs)
            except OSError as error:
                self._give_up(str(error))

    def _start_server(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        order = {
            "python": self._imports.python,
            "script": self._imports.script,
            "steps": self._imports.steps,
            "title": f"autofinetune: {self._imports.title} for {self._imports.script}",
            "room": _ROOM,
            "pythonpath": self._environ.get("PYTHONPATH"),
        }
        path = with_layer(self._environ.get("PYTHONPATH"))
        code = "import sitecustomize; sitecustomize.become_server()"
        return subprocess.Popen(
            [self._imports.python, "-c", code, json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=theirs.fileno(),
            stderr=theirs.fileno(),
            cwd=self._imports.working_dir,
            env={**self._environ, "PYTHONPATH": path, ORDER_VARIABLE: ""},
            start_new_session=True,  # so that Ctrl-C reaches only us
        )

    @property
    def pid(self) -> int | None:
        """The pid of the server, or None without one."""
        return None if self._process is None else self._process.pid

    def is_ready(self) -> bool:
        """Whether the process has reported that trials can be forked from it."""
        if self._process is None or self._is_ready:
            return self._is_ready
        self._socket.setblocking(False)
        try:
            message = self._receive()
        except BlockingIOError:
            return False  # it is still importing
        except OSError as error:
            message = {"problem": str(error)}
        if "problem" in message:
            self._give_up(message["problem"])
            return False
        self._is_ready = True
        self._notice(
            f"preload: {self._imports.title} imported in {message['seconds']:.1f} s; "
            "trials are now forked from that process"
        )
        return True

    def start(
        self,
        attempt: Attempt,
        env: Mapping[str, str],
        passed: Sequence[int],
        *,
        has_lifeline: bool,
    ) -> dict[str, Any] | None:
        """Fork the runner of an attempt, whose trial has the environment `env`.

        `passed` are the descriptors of the runner's log, perhaps of the lifeline, and of what the
        trial inherits. Return the `identity` of the runner, or None if it must be started the
        ordinary way; raise OSError if the machine lacks the resources for a fork.
        """
        if not (self._imports.begins(attempt) and self.is_ready()):
            return None
        own = {name: v for name, v in env.items() if self._environ.get(name) != v}
        if self._read_early(own):
            return None
        request = {"directory": attempt.directory, "env": own, "has_lifeline": has_lifeline}
        self._socket.settimeout(ANSWER_PATIENCE_S)
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], passed)
            answer = self._receive()
        except OSError as error:
            answer = {"problem": f"the process does not answer ({error})"}
        if "problem" in answer:
            self._give_up(answer["problem"])
            return None
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        return answer

    def _read_early(self, own: Mapping[str, str]) -> bool:
        """Whether the imports may already have read a variable that differs for this trial."""
        early = {n for n in own if n not in _LATE and not n.startswith(_LATE_PREFIX)}
        for name in sorted(early - self._told):
            self._told.add(name)
            self._notice(f"preload: trials with a different {name} do their own imports")
        return bool(early)

    def _receive(self) -> dict[str, Any]:
        data = self._socket.recv(MAX_MESSAGE)
        if not data.startswith(b"{"):
            return {"problem": f"the preload process died {self._last_words(data)}"}
        message: dict[str, Any] = json.loads(data)
        return message

    def _last_words(self, text: bytes) -> str:
        """Return the last line that a Python that failed to start printed in several pieces."""
        self._socket.settimeout(ANSWER_PATIENCE_S)
        with contextlib.suppress(OSError):
            while more := self._socket.recv(MAX_MESSAGE):
                text += more
        lines = text.decode(errors="replace").split("\n")
        return next((f"({line})" for line in reversed(lines) if line.strip()), "without output")

    def _give_up(self, why: str) -> None:
        self._notice(f"preload is off, every trial does its own imports: {why}")
        self.close()

    def close(self) -> None:
        """Kill the process and what its imports started; runners have their own sessions."""
        self._is_ready = False
        self._socket.close()
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            try:
                process.wait(_END_PATIENCE_S)
            except subprocess.TimeoutExpired:  # it hangs inside the kernel
                process.returncode = 0  # avoid a ResourceWarning when it is collected
