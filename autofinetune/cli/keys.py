"""Single keys from a terminal, whose modes are restored however the command ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from types import FrameType

_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def pressed_keys() -> Iterator[Callable[[float], str]]:
    """Yield a function that waits at most some seconds for a key and returns it, or "".

    There are no keys if standard input is no terminal or belongs to another program. The modes
    are also restored while the command is stopped by Ctrl-Z. After a `kill -9` the shell does it.
    """
    descriptor = _keyboard()
    if descriptor is None:
        yield _wait
        return
    before = termios.tcgetattr(descriptor)

    def restore() -> None:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

    def stop(signum: int, frame: FrameType | None) -> None:
        restore()
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)  # stops here
        signal.signal(signum, stop)
        _without_lines(descriptor)

    def end(signum: int, frame: FrameType | None) -> None:
        sys.exit(128 + signum)

    handlers = {signal.SIGTSTP: stop, **dict.fromkeys(_ENDS, end)}
    earlier = {signum: signal.signal(signum, handler) for signum, handler in handlers.items()}
    _without_lines(descriptor)
    try:
        yield lambda wait_s: _key(descriptor, wait_s)
    finally:
        restore()
        for signum, handler in earlier.items():
            signal.signal(signum, handler)


def _keyboard() -> int | None:
    try:
        descriptor = sys.stdin.fileno()
        is_ours = os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp()
    except (OSError, ValueError):
        return None
    return descriptor if is_ours else None


def _without_lines(descriptor: int) -> None:
    """Make keys arrive at once and unseen; Ctrl-C and Ctrl-Z still send signals."""
    modes = termios.tcgetattr(descriptor)
    modes[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, modes)


def _wait(wait_s: float) -> str:
    select.select([], [], [], wait_s)
    return ""


def _key(descriptor: int, wait_s: float) -> str:
    if not select.select([descriptor], [], [], wait_s)[0]:
        return ""
    key = os.read(descriptor, 1)
    if not key:  # the terminal was closed
        raise KeyboardInterrupt
    return key.decode(errors="replace")
