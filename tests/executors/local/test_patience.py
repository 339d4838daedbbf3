"""Stopped and unresponsive runners, as processes without a trial."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from autofinetune.executors.local import patience
from autofinetune.executors.local.patience import LOOK_S, Patience
from autofinetune.runner.processes import descendants, is_stopped, name_of
from tests.forking import wait_until


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(patience, "time", made)
    monkeypatch.setattr(patience, "age", lambda pid: made.now - 1000.0)
    return made


@pytest.fixture
def runner() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sh", "-c", "sleep 1000; :"], start_new_session=True)
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


Look = Callable[[Patience], None]


@pytest.fixture
def look(clock: Clock, runner: subprocess.Popen[bytes]) -> Iterator[Look]:
    """Check the runner a second later."""
    pidfd = os.pidfd_open(runner.pid)

    def look_later(waiting: Patience) -> None:
        clock.now += LOOK_S
        waiting.see_to(runner.pid, pidfd)

    yield look_later
    os.close(pidfd)


def stop(runner: subprocess.Popen[bytes], *, all_of_it: bool = False) -> None:
    (os.killpg if all_of_it else os.kill)(runner.pid, signal.SIGSTOP)
    wait_until(lambda: is_stopped(runner.pid))


def test_a_stopped_runner_is_continued(look: Look, runner: subprocess.Popen[bytes]) -> None:
    waiting = Patience(None, 1.0)
    stop(runner)
    look(waiting)
    wait_until(lambda: not is_stopped(runner.pid))


def test_a_paused_trial_stays_paused_until_something_is_due(
    look: Look, runner: subprocess.Popen[bytes]
) -> None:
    waiting = Patience(10.0, 1.0)
    # Until its child runs another program, a shell may wait for it inside the kernel.
    wait_until(lambda: [*map(name_of, descendants(runner.pid))] == ["sleep"])
    stop(runner, all_of_it=True)
    for _ in range(10):
        look(waiting)
        assert is_stopped(runner.pid)
    look(waiting)  # the limit
    wait_until(lambda: not is_stopped(runner.pid))


def test_it_is_looked_at_once_a_second(clock: Clock, runner: subprocess.Popen[bytes]) -> None:
    waiting = Patience(None, 1.0)
    assert waiting.until_next_look == LOOK_S
    clock.now += LOOK_S / 2
    waiting.see_to(0, 0)  # otherwise this would be an error
    assert waiting.until_next_look == LOOK_S / 2
    clock.now += LOOK_S
    assert waiting.until_next_look == 0.0


def test_one_that_works_far_beyond_its_limit_is_killed(
    look: Look, clock: Clock, runner: subprocess.Popen[bytes]
) -> None:
    waiting = Patience(10.0, 1.0)
    clock.now += 20
    look(waiting)
    assert waiting.killed_for == ""
    clock.now += waiting._longest_end_s
    look(waiting)
    assert waiting.killed_for == "timeout"
    assert waiting.seconds > 10.0
    assert runner.wait() == -signal.SIGKILL
    look(waiting)  # it is gone, which is not an error


def test_one_that_is_stopped_again_and_again_is_killed(
    look: Look, runner: subprocess.Popen[bytes]
) -> None:
    waiting = Patience(None, 1.0)
    waiting.cancel()
    while not waiting.killed_for:
        stop(runner)
        look(waiting)
    assert waiting.killed_for == "cancel"
    assert runner.wait() == -signal.SIGKILL


def test_the_second_cancel_allows_little_time(
    clock: Clock, runner: subprocess.Popen[bytes]
) -> None:
    waiting = Patience(None, 1000.0)
    waiting.cancel()
    assert (waiting.is_cancelled, waiting.is_over) == (True, False)
    waiting.cancel()
    assert waiting.is_over
    assert 0.0 < waiting.until_next_look <= patience.KILL_S
    clock.now += patience.KILL_S
    pidfd = os.pidfd_open(runner.pid)
    waiting.see_to(runner.pid, pidfd)
    os.close(pidfd)
    assert waiting.killed_for == "cancel"
    assert waiting._kill_at < math.inf
    assert runner.wait() == -signal.SIGKILL
