"""How long to wait for a runner: a stopped one is continued, an unresponsive one is killed."""

from __future__ import annotations

import contextlib
import math
import signal
import time

from autofinetune.runner.main import KILL_PATIENCE_S, LEFTOVER_GRACE_S
from autofinetune.runner.processes import age, is_paused, is_stopped

LOOK_S = 1.0  # interval between checks of a runner
KILL_S = 0.3  # time for a runner to kill its trial when asked to
SLACK_S = 10.0  # for a machine under load, in addition to a runner's own time limits
_MOST_STOPS = 5  # checks in a row that find it stopped


class Patience:
    """Watches one living runner.

    The runner itself ends its trial, including at the time limit. It cannot do so while it is
    stopped by a signal, so it is continued, unless its trial is stopped too and nothing is due:
    then a user has paused both on purpose. A runner that is stopped repeatedly, or takes much
    longer than it should, is killed. `grace_s` is how long it waits after SIGTERM before it kills
    the trial.
    """

    def __init__(self, time_limit_s: float | None, grace_s: float) -> None:
        self.is_cancelled = False
        self.is_over = False  # the trial is to be killed without any grace
        self.killed_for = ""  # why the runner was killed: `timeout`, `cancel`, or empty
        self.seconds = 0.0  # the age of the runner at the last check
        self._limit_s = math.inf if time_limit_s is None else time_limit_s
        # From the request to end to the exit record, for a healthy runner.
        self._longest_end_s = grace_s + LEFTOVER_GRACE_S + KILL_PATIENCE_S + SLACK_S
        self._kill_at = math.inf
        self._next_look = time.monotonic() + LOOK_S
        self._stops = 0

    @property
    def until_next_look(self) -> float:
        return max(0.0, self._next_look - time.monotonic())

    def cancel(self) -> None:
        """Note that the trial was asked to end; on the second call, that it is to be killed."""
        self.is_over = self.is_cancelled
        self.is_cancelled = True
        self._kill_within(KILL_S if self.is_over else self._longest_end_s)
        if self.is_over:
            self._next_look = self._kill_at

    def _kill_within(self, seconds: float) -> None:
        self._kill_at = min(self._kill_at, time.monotonic() + seconds)

    def see_to(self, pid: int, pidfd: int) -> None:
        """Continue or kill the runner if necessary; call it often."""
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
            send_by(pidfd, signal.SIGKILL)
        elif is_stuck:
            send_by(pidfd, signal.SIGCONT)


def send_by(pidfd: int, signum: int) -> None:
    """Signal the process that a pidfd names, if it still runs."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signum)
