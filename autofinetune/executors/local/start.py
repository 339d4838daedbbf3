"""Starts runners as processes of their own."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from autofinetune.version import PACKAGE_PARENT

# Without `site` the start takes a third of the time; the package is found by its own place, and
# nothing is found in the working directory, where a json.py may lie.
START_RUNNER = (
    *(sys.executable, "-S", "-I", "-c"),
    "import sys; sys.path.append(sys.argv[2]); "
    "from autofinetune.runner.main import main; "
    "raise SystemExit(main(sys.argv[1], *map(int, sys.argv[3:])))",
)


def start_runner(
    directory: str,
    env: Mapping[str, str],
    *,
    log: int | IO[bytes] = subprocess.DEVNULL,
    lifelines: Sequence[int] = (),
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start the runner of the attempt in `directory`, whose spec is written.

    Args:
        env: all that the trial finds in its environment.
        log: where what the runner itself says goes.
        lifelines: at most one descriptor; when its other end closes, the trial is ended.
        inherited: descriptors for the trial.
    """
    with _signals_blocked():
        return subprocess.Popen(
            [*START_RUNNER, directory, PACKAGE_PARENT, *map(str, lifelines)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(*lifelines, *inherited),
            env=env,
        )


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """A child started inside inherits the mask, so a cancel cannot kill it before it is ready."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
