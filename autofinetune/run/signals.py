"""What SIGINT, SIGTERM and SIGHUP do to a run: drain, end, kill; the third always works."""

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
LAST_S = 0.7  # from the third signal to the end, whatever this process is doing
_WORDS = (
    "no new trials are started; running ones finish. Again: they are ended",
    "running trials are asked to end. Again: they are killed",
    "running trials are killed",
)


@contextlib.contextmanager
def signals_to(
    interrupt: Callable[[], None], kill_all: Callable[[], None], *, is_last: bool = True
) -> Iterator[list[int]]:
    """Forward signals to a run; yields the list of those that arrived.

    A signal that is ignored, as `nohup` and a shell in the background have it, stays ignored.
    Where this is the last that the process does, the exit code is decided afterwards, and all of
    them are ignored; else they do again what they did before.

    Python calls a handler only between two steps of its own, so a thread watches too: if the
    process still works `LAST_S` after the third signal, perhaps because it copies or waits for a
    disk, everything is killed and it exits. The journal survives that as it survives any kill.

    Args:
        interrupt: told of each signal.
        kill_all: kills what runs; called by another thread.
        is_last: whether the process ends after this.
    """
    arrived: list[int] = []

    def handle(signum: int, frame: object) -> None:
        arrived.append(signum)  # first of all: the next signal may come in the middle of this
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
            # Until the process is gone: Python gives back handlers of its own long before.
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
    """Start a thread; a machine without room for one gets some time to find it.

    Raises:
        OSError: it found none.
    """
    for _ in range(_START_TRIES):
        try:
            return thread.start()
        except RuntimeError:  # what Python makes of the error, without its number
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
            terminal.err_in_handler("stopped at once; `autofinetune resume` continues the run")
        finally:
            os._exit(SIGNALS[signal.Signals(heard[-1])])
