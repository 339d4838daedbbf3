"""Runners that leave no record: a stranger holds their lock, or they do not answer."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from autofinetune.core.slot import Slot
from autofinetune.executors import Attempt, JobState, LocalSlot
from autofinetune.executors.local import start
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.runner.files import EXIT, LOCK, try_lock
from tests.forking import attempt_of, leave_dead_runner, until_over


@pytest.fixture
def notices() -> list[str]:
    """What the executor told."""
    return []


@pytest.fixture
def executor(notices: list[str]) -> Iterator[LocalExecutor]:
    slots = [LocalSlot(Slot("a"))]
    with contextlib.closing(LocalExecutor(slots, dict(os.environ), notice=notices.append)) as made:
        yield made


def cancel_at_once(executor: LocalExecutor, attempt: Attempt) -> None:
    """Cancel twice: the second time, the runner gets very little time."""
    executor.cancel(attempt.key)
    executor.cancel(attempt.key)


def test_a_stranger_that_holds_the_lock_is_named_once_and_spared(
    executor: LocalExecutor, tmp_path: Path, notices: list[str]
) -> None:
    attempt = attempt_of(tmp_path)
    leave_dead_runner(attempt)
    lock = try_lock(str(Path(attempt.directory, LOCK)))
    assert lock is not None
    stranger = subprocess.Popen(["sleep", "1000"], pass_fds=[lock])
    os.close(lock)
    try:
        executor.submit(attempt)
        assert executor.poll(0.0) == []  # it may be a process of the trial that just exits
        assert notices == []
        cancel_at_once(executor, attempt)
        assert until_over(executor).state is JobState.LOST
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    (notice,) = notices
    assert notice.startswith("attempt 1 of trial 0 has ended, but its lock is held by process ")
    assert f"{stranger.pid} (sleep)" in notice


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start runners that do nothing: they never unblock the signals of a request to end."""
    monkeypatch.setattr(start, "START_RUNNER", ("sh", "-c", "exec sleep 1000"))


@pytest.mark.usefixtures("deaf")
def test_the_end_of_a_runner_that_does_not_answer_is_recorded_for_it(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    attempt = attempt_of(tmp_path)
    executor.submit(attempt)
    cancel_at_once(executor, attempt)
    news = until_over(executor)
    assert news.state is JobState.EXITED
    assert news.exit is not None
    assert (news.exit.why, news.exit.returncode) == ("cancel", -signal.SIGKILL)
    assert news.exit.error == "its runner did not answer and was killed"
    assert Path(attempt.directory, EXIT).exists()


@pytest.mark.usefixtures("deaf")
def test_where_no_record_can_be_written_for_it_the_attempt_is_lost(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    attempt = attempt_of(tmp_path)
    executor.submit(attempt)
    shutil.rmtree(attempt.directory)
    cancel_at_once(executor, attempt)
    news = until_over(executor)
    assert (news.state, news.exit) == (JobState.LOST, None)
    assert not Path(attempt.directory).exists()
