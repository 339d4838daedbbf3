"""What the tuner uses of its environment besides processes and files; tests replace it."""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
# Errors that may be gone on a retry: no space, no memory to fork, too many open files.
TRANSIENT = NO_SPACE | {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EINTR}


@dataclass(frozen=True)
class World:
    """Clocks, the disk and the console."""

    now: Callable[[], float]  # the wall clock in seconds since 1970
    free_gb: Callable[[], float] = lambda: math.inf  # GiB in the output directory
    notice: Callable[[str], None] = lambda sentence: None  # shows it at the console
    sleep: Callable[[float], None] = lambda seconds: None
    grace_s: float = 10.0  # how long a trial may take to exit after being asked to
    monotonic: Callable[[], float] = time.monotonic  # in seconds, never set back
