"""`--detach`: start a tuner in the background, and tell how that went."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Iterator

from autofinetune.core.events import AttemptPlanned, AttemptSubmitted, Event
from autofinetune.core.state import State
from autofinetune.run.signals import SIGNALS
from autofinetune.sinks import Sink
from autofinetune.store.directory import appended
from autofinetune.store.paths import RunPaths
from autofinetune.terminal import out

_PIECE = 1 << 16


class Background:
    """A tuner that is starting in a session of its own; its output goes to who started it.

    Once it has started, its output goes to a file, and the process that waits is told.
    """

    def __init__(self, starter: int) -> None:
        self._starter = starter

    def sink(self, paths: RunPaths) -> Sink:
        """Return a sink that waits for the first trial."""
        return _FirstTrial(self, paths)

    def started(self, paths: RunPaths) -> None:
        directory = paths.shown
        out(f"running in the background as process {os.getpid()}; its output: "
            f"{directory}/{paths.tuner_log.name}")  # fmt: skip
        out(
            f"to look: autofinetune status {directory}      to stop: autofinetune stop {directory}"
        )
        try:
            with (
                paths.place.opened() as here,
                appended(here / paths.tuner_log.name, 0o600) as file,
            ):
                log = os.dup(file.fileno())
        except OSError:  # the run is worth more than its log
            log = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(log, number)
        os.close(log)
        os.write(self._starter, b"!")
        os.close(self._starter)


class _FirstTrial(Sink):
    is_view = False

    def __init__(self, background: Background, paths: RunPaths) -> None:
        self._background = background
        self._paths = paths
        self._is_told = False

    def handle(self, event: Event, state: State) -> None:
        if not self._is_told and isinstance(event, (AttemptPlanned, AttemptSubmitted)):
            self._is_told = True
            self._background.started(self._paths)


def fork() -> Background | int:
    """Fork a process for the tuner, and return the Background in it.

    In the process that was called, wait until the tuner has started or ended, pass its output on,
    and return the exit code: 0 if it has started.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ends = [os.pipe() for _ in range(3)]  # its output, its errors, its start
    pid = os.fork()
    if pid:
        for _, writer in ends:
            os.close(writer)
        with _forwarded(pid):
            return _relay(pid, *(reader for reader, _ in ends))
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((null, ends[0][1], ends[1][1])):
        os.dup2(descriptor, number)
    for descriptor in (null, ends[0][1], ends[1][1], *(reader for reader, _ in ends)):
        os.close(descriptor)
    return Background(ends[2][1])


@contextlib.contextmanager
def _forwarded(pid: int) -> Iterator[None]:
    """Forward signals to the tuner, which is in another session."""

    def forward(number: int, frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    before = {number: signal.signal(number, forward) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _relay(pid: int, output: int, errors: int, start: int) -> int:
    targets = {output: 1, errors: 2}
    has_started = False
    while True:
        ready = select.select([*targets, start], [], [])[0]
        for reader in ready:
            if reader != start and not _pass_on(reader, targets[reader]):
                del targets[reader]
        if start in ready:
            has_started = bool(os.read(start, 1))
            break
    code = 0 if has_started else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for reader, target in targets.items():  # what was written before; others may hold the pipe
        while select.select([reader], [], [], 0)[0] and _pass_on(reader, target):
            pass
    for reader in (output, errors, start):
        os.close(reader)
    return code if code >= 0 else 128 - code


def _pass_on(reader: int, target: int) -> bool:
    """Copy what can be read; return whether there was anything."""
    data = os.read(reader, _PIECE)
    with contextlib.suppress(OSError):
        os.write(target, data)
    return bool(data)
