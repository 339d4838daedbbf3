"""The tuner's end of the bridge."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from typing import Any

from autofinetune.errors import EnvironmentProblem
from autofinetune.executors.ray import bridge
from autofinetune.version import PACKAGE_PARENT

START_S = 180.0  # Ray takes seconds to be imported and connected, on a busy machine more
ANSWER_S = 60.0
_PAUSE_S = 5.0  # between two starts
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from autofinetune.executors.ray.bridge import main; main()"
)
Answer = tuple[dict[str, Any], bytes]


class Away(Exception):
    """Ray or the bridge does not answer; it says nothing about any attempt."""


class Dead(Exception):
    """Ray says that the actor is dead, or does not know it."""


class Late(Exception):
    """The actor waits for a node."""


class Failed(Exception):
    """The actor answered that it could not do something."""


_ERRORS: dict[str, type[Exception]] = {
    bridge.AWAY: Away, bridge.DEAD: Dead, bridge.LATE: Late, bridge.FAILED: Failed,
}  # fmt: skip


class Client:
    """Starts the bridge, again after it has ended, and passes requests of several threads.

    Args:
        python: the Python of the bridge.
        address: of the cluster; empty to find the one of this machine.
    """

    def __init__(self, python: str, address: str) -> None:
        self._python = python
        self._address = address
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread
        self._waiting: dict[int, Future[Answer]] = {}
        self._ids = itertools.count()
        self._lock = threading.Lock()  # of the process
        self._writing = threading.Lock()
        self._retry_at = 0.0
        self._is_closed = False

    def connect(self) -> None:
        """Start the bridge now, or raise EnvironmentProblem, which says why that fails."""
        with self._lock:
            hello = self._started()
        error, why = hello.get("error"), hello.get("why", "")
        if error == bridge.MISSING:
            raise EnvironmentProblem(
                f"--executor=ray needs the package {why}, which {self._python} does not have",
                "name the Python of the cluster by --ray_python=/path/to/python, or: pip install "
                f"'{why}', of the version that the cluster has",
            )
        if error == bridge.OTHER:
            raise EnvironmentProblem(
                f"the versions differ: {why}",
                "name a Python with the versions of the cluster by --ray_python=/path/to/python",
            )
        if error:
            where = self._address or "a cluster of this machine"
            raise EnvironmentProblem(
                f"cannot connect to {where}: {why}",
                "start one (ray start --head), or name its address: --executor=ray:HOST:6379; "
                "this machine must be one of its nodes, or the address ray://HOST:10001",
            )

    def _started(self) -> dict[str, Any]:
        """Start the process, and return its first message."""
        words = [self._python, "-c", _START, PACKAGE_PARENT, self._address]
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd="/",
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                return {"error": bridge.AWAY, "why": f"{self._python}: {error.strerror}"}
            hello: Future[Answer] = Future()
            reader = threading.Thread(target=self._read, args=(process, hello), daemon=True)
            reader.start()
            try:
                found = hello.result(START_S)[0]
            except (Away, NoAnswer):
                errors.seek(0)
                told = errors.read().decode(errors="replace").strip().splitlines()
                why = told[-1] if told else "no answer"
                found = {"error": bridge.AWAY, "why": f"the bridge does not start: {why:.300}"}
        if "error" in found:
            process.kill()
            reader.join()
        else:
            self._process, self._reader = process, reader
        return found

    def _read(self, process: subprocess.Popen[bytes], hello: Future[Answer]) -> None:
        """Pass on answers until the process ends."""
        assert process.stdout is not None  # both are pipes
        assert process.stdin is not None
        try:
            while (message := bridge.read_message(process.stdout)) is not None:
                key = message[0].get("id")
                found = hello if key is None else self._waiting.pop(key, None)
                if found is not None and not found.done():
                    found.set_result(message)
        except (OSError, ValueError):
            process.kill()
        process.wait()
        self._process = None
        self._retry_at = time.monotonic() + _PAUSE_S
        for left in (hello, *self._waiting.values()):
            if not left.done():
                left.set_exception(Away("the bridge has ended"))
        process.stdout.close()
        with contextlib.suppress(OSError):
            process.stdin.close()

    def _there(self) -> subprocess.Popen[bytes]:
        """Return the process, started again if a while has passed since its end."""
        with self._lock:
            if self._process is None:
                if self._is_closed or time.monotonic() < self._retry_at:
                    raise Away("the bridge has ended")
                hello = self._started()
                if "error" in hello:
                    self._retry_at = time.monotonic() + _PAUSE_S
                    raise Away(hello.get("why", ""))
            found = self._process
        if found is None:
            raise Away("the bridge has ended")
        return found

    def ask(self, do: str, more: Mapping[str, Any], data: bytes = b"") -> Answer:
        """Return the answer, or raise Away, Dead, Late or Failed."""
        process = self._there()
        key, found = next(self._ids), Future[Answer]()
        self._waiting[key] = found
        try:
            with self._writing:
                assert process.stdin is not None
                bridge.write_message(process.stdin, {"do": do, "id": key, **more}, data)
            head, data = found.result(ANSWER_S)
        except (OSError, ValueError):
            raise Away("the bridge has ended") from None
        except NoAnswer:
            raise Away("no answer") from None
        finally:
            self._waiting.pop(key, None)
        if "error" in head:
            raise _ERRORS.get(head["error"], Away)(head.get("why", ""))
        return head, data

    def close(self) -> None:
        """End the bridge; what runs on the cluster continues."""
        self._is_closed = True
        process = self._process
        if process is not None:
            process.kill()
            self._reader.join()
