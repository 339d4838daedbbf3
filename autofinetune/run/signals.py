"""Stop a run on SIGINT, SIGTERM and SIGHUP: first drain, then end, then kill trials."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

from autofinetune import terminal

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
_START_TRIES, _START_PAUSE_S = 20, 0.5
LAST_S = 0.7  # from the third signal to a forced exit
_WORDS = (
    "no new trials are started; running ones finish. A second signal ends them",
    "running trials are asked to end; after a third signal they are killed",
    "running trials are killed",
)


@contextlib.contextmanager
def signals_to(
    interrupt: Callable[[], None], kill_all: Callable[[], None], *, is_last: bool = True
) -> Iterator[list[int]]:
    """Forward SIGINT, SIGTERM and SIGHUP to a run; yield the list of signals that arrived.

    Signals that are ignored, as under `nohup` or in a background shell, stay ignored. Afterwards
    the signals are ignored if the process is about to exit, so that its exit code stays the same;
    otherwise their previous handlers are restored.

    Python runs a handler only between two bytecode instructions, so a thread watches as well: if
    the process is still running `LAST_S` after the third signal, perhaps because it is copying or
    waiting for a disk, the thread kills all trials and exits. The journal survives any kill.

    `interrupt` is called for each signal. `is_last` says whether the process exits after this.
    """
    arrived: list[int] = []

    def handle(signum: int, frame: object) -> None:
        arrived.append(signum)  # first: the next signal may interrupt this handler
        interrupt()
        terminal.err_in_handler(f"stopping: {_WORDS[min(len(arrived), 3) - 1]}")

    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    heard = [signum for signum, handler in before.items() if handler is not signal.SIG_IGN]
    with _watched(kill_all):
        for signum in heard:
            signal.signal(signum, handle)
        try:
            yield arrived
        finally:
            # Ignored until the process exits: Python restores its own handlers long before that.
            for signum in heard:
                signal.signal(signum, signal.SIG_IGN if is_last else before[signum])


@contextlib.contextmanager
def _watched(kill_all: Callable[[], None]) -> Iterator[None]:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writer, False)
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(reader, over, kill_all), daemon=True)
    _start(thread)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)


def _start(thread: threading.Thread) -> None:
    """Start a thread, and retry for a while; raise OSError if the machine has no room for one."""
    for _ in range(_START_TRIES):
        try:
            return thread.start()
        except RuntimeError:  # Python raises this without the errno
            time.sleep(_START_PAUSE_S)
    raise OSError(errno.EAGAIN, "no thread can be started")


def _watch(reader: int, over: threading.Event, kill_all: Callable[[], None]) -> None:
    heard: list[int] = []
    while len(heard) < len(_WORDS):
        data = os.read(reader, 64)
        if not data:
            return
        heard += [number for number in data if number in SIGNALS]
    if not over.wait(LAST_S):
        try:
            kill_all()
            terminal.err_at_exit("stopped immediately; `autofinetune resume` continues the run")
        finally:
            os._exit(SIGNALS[signal.Signals(heard[-1])])
