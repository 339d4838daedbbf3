"""How long a runner is waited for: a stopped one is continued, one that is deaf is killed."""

from __future__ import annotations

import contextlib
import math
import signal
import time

from autofinetune.runner.main import KILL_PATIENCE_S, LEFTOVER_GRACE_S
from autofinetune.runner.processes import age, is_paused, is_stopped

LOOK_S = 1.0  # how often a runner is looked at
KILL_S = 0.3  # how long a runner that is asked to kill may take
SLACK_S = 10.0  # for a machine under load, beyond all that a runner itself may wait for
_MOST_STOPS = 5  # looks in a row that find it stopped again


class Patience:
    """Watches one runner that is alive.

    The runner itself ends its trial, at the time limit too. It cannot while it is stopped, so it
    is continued, unless its trial is stopped with it and nothing is due: then somebody has paused
    both on purpose. One that is stopped again and again, or works for much longer than it ever
    should, is killed.

    Args:
        time_limit_s: of the trial; None: it has none.
        grace_s: how long the runner lets the trial end by itself.
    """

    def __init__(self, time_limit_s: float | None, grace_s: float) -> None:
        self.is_cancelled = False
        self.is_over = False
        """Whether the trial is to be killed without waiting for anybody."""
        self.killed_for = ""
        """`timeout` or `cancel` once the runner was killed for it."""
        self.seconds = 0.0
        """How long the runner has been alive, at the last look."""
        self._limit_s = math.inf if time_limit_s is None else time_limit_s
        self._grace_s = grace_s
        self._kill_at = math.inf
        self._next_look = time.monotonic() + LOOK_S
        self._stops = 0

    @property
    def until_next_look(self) -> float:
        return max(0.0, self._next_look - time.monotonic())

    def cancel(self) -> None:
        """Note that the trial was asked to end; the second time, that it is to be killed."""
        self.is_over = self.is_cancelled
        self.is_cancelled = True
        self._kill_within(KILL_S if self.is_over else self._longest_end_s)
        if self.is_over:
            self._next_look = self._kill_at

    @property
    def _longest_end_s(self) -> float:
        """How long a healthy runner may take from the order to end to its record."""
        return self._grace_s + LEFTOVER_GRACE_S + KILL_PATIENCE_S + SLACK_S

    def _kill_within(self, seconds: float) -> None:
        self._kill_at = min(self._kill_at, time.monotonic() + seconds)

    def see_to(self, pid: int, pidfd: int) -> None:
        """Continue or kill the runner if that is due; call it often."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_S
        self.seconds = age(pid)
        is_late = self.seconds >= self._limit_s + LOOK_S
        if is_late:
            self._kill_within(self._longest_end_s)
        is_due = is_late or self.is_cancelled
        is_stuck = is_stopped(pid) and (is_due or not is_paused(pid))
        self._stops = self._stops + 1 if is_stuck else 0
        if now >= self._kill_at or (is_due and self._stops >= _MOST_STOPS):
            self.killed_for = "cancel" if self.is_cancelled else "timeout"
            _send(pidfd, signal.SIGKILL)
        elif is_stuck:
            _send(pidfd, signal.SIGCONT)


def _send(pidfd: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signum)
