"""Starts runners as separate processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any, Protocol

from autofinetune.executors.base import Attempt
from autofinetune.version import PACKAGE_PARENT

# Without `site`, the start takes a third of the time. The package is imported by its own path, and
# nothing from the working directory, which may contain a json.py.
START_RUNNER = (
    *(sys.executable, "-S", "-I", "-c"),
    "import sys; sys.path.append(sys.argv[2]); "
    "from autofinetune.runner.main import main; "
    "raise SystemExit(main(sys.argv[1], *map(int, sys.argv[3:])))",
)


class Starter(Protocol):
    """Another way to start a runner."""

    def start(
        self,
        attempt: Attempt,
        env: Mapping[str, str],
        passed: Sequence[int],
        *,
        has_lifeline: bool,
    ) -> dict[str, Any] | None:
        """Start the runner of an attempt, whose trial has the environment `env`.

        `passed` are the descriptors of the runner's log, perhaps of the lifeline, and of what the
        trial inherits. Return the `identity` of the runner, or None if it must be started the
        ordinary way; raise OSError if the machine lacks the resources.
        """


def start_runner(
    directory: str,
    env: Mapping[str, str],
    *,
    log: int | IO[bytes] = subprocess.DEVNULL,
    lifelines: Sequence[int] = (),
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start the runner of the attempt in `directory`, which already contains the spec.

    `env` is the whole environment of the trial, which gets the descriptors `inherited`; `log` is
    for the runner's own output. When the other end of the lifeline closes, the trial is
    terminated; `lifelines` has at most one.
    """
    # A signal must not kill the child before it is ready.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        return subprocess.Popen(
            [*START_RUNNER, directory, PACKAGE_PARENT, *map(str, lifelines)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(*lifelines, *inherited),
            env=env,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
