"""What the tuner takes of the world besides processes and files: all of it can be replaced."""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
# What may be over the next time: no space, no memory for a fork, too many open files.
TRANSIENT = NO_SPACE | {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EINTR}


@dataclass(frozen=True)
class World:
    """Clocks, the disk and the console.

    Args:
        now: the wall clock in seconds since 1970.
        monotonic: a clock in seconds that nobody sets.
        free_gb: GiB of free disk where the output lies.
        notice: takes a sentence for the person at the console.
        sleep: waits so many seconds.
        grace_s: how long a trial that was asked to end may take.
    """

    now: Callable[[], float]
    free_gb: Callable[[], float] = lambda: math.inf
    notice: Callable[[str], None] = lambda sentence: None
    sleep: Callable[[float], None] = lambda seconds: None
    grace_s: float = 10.0
    monotonic: Callable[[], float] = time.monotonic
