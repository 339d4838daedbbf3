"""Processes that exit during a check, and a machine without a C library."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autofinetune.runner import processes

ROOT = Path(processes.__file__).parents[2]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_what_ends_during_the_look_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    monkeypatch.setattr(processes, "_all_pids", lambda: [child.pid, os.getpid()])
    assert processes.descendants(os.getppid()) == [os.getpid()]
    assert processes.marked("nobody/0/1") == []


def test_what_ends_just_before_its_signal_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen(["sleep", "1000"])
    pidfd_open = os.pidfd_open

    def open_and_end(pid: int) -> int:
        descriptor = pidfd_open(pid)
        child.kill()
        child.wait()
        return descriptor

    before = open_files()
    monkeypatch.setattr(os, "pidfd_open", open_and_end)
    monkeypatch.setattr(processes, "start_time", lambda pid: 1)
    processes.send_to([child.pid], signal.SIGTERM)
    assert child.returncode == -signal.SIGKILL
    assert open_files() == before


def test_a_pid_that_belongs_to_another_now_gets_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen(["sleep", "1000"])
    times = [1, 2]
    monkeypatch.setattr(processes, "start_time", lambda pid: times.pop(0))
    processes.send_to([child.pid], signal.SIGKILL)
    assert times == []
    assert child.poll() is None
    child.kill()
    child.wait()


def test_without_a_c_library_orphans_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: object) -> None:
        raise OSError("no library")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert not processes.become_subreaper()


# --- marks, and processes that are stopped -------------------------------------------------------


@contextlib.contextmanager
def carrying(mark: str, before: str = "") -> Iterator[int]:
    """The pid of a process that inherited the mark but lost the environment."""
    code = (
        f"import resource, sys, os\nsys.path.insert(0, {str(ROOT)!r})\n{before}\n"
        f"from autofinetune.runner.processes import carry\ncarry({mark!r})\n"
        "os.execv('/usr/bin/env', ['env', '-i', 'sleep', '1000'])"
    )
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        while processes.name_of(child.pid) != "sleep":
            os.sched_yield()
        yield child.pid
    finally:
        child.kill()
        child.wait()


def test_a_mark_is_found_without_its_environment() -> None:
    mark = f"{os.getpid()}/7/1"
    with carrying(mark) as pid:
        assert processes.marked(mark) == [pid]
        assert processes.marked("nobody/0/1", mark) == [pid]
        assert processes.marked(f"{os.getpid()}/7/2") == []


def test_the_innermost_of_several_marks_counts() -> None:
    one, two = f"{os.getpid()}/8/1", f"{os.getpid()}/9/1"
    outer = f"from autofinetune.runner.processes import carry; carry({one!r})"
    with carrying(two, outer) as pid:
        assert processes.marked(one) == []
        assert processes.marked(two) == [pid]


def test_a_limit_that_somebody_has_set_stays() -> None:
    limit = "resource.setrlimit(resource.RLIMIT_RTTIME, (1000, resource.RLIM_INFINITY))"
    with carrying(f"{os.getpid()}/10/1", limit) as pid:
        assert processes._limit(pid) == 1000


def test_nothing_is_known_of_the_dead() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert processes.age(child.pid) == 0.0
    assert processes.name_of(child.pid) == "?"
    assert processes._limit(child.pid) is None
    assert not processes.is_stopped(child.pid)


def test_age_is_that_of_the_process() -> None:
    child = subprocess.Popen(["sleep", "1000"])
    assert 0.0 <= processes.age(child.pid) < processes.age(1)
    child.kill()
    child.wait()


def test_who_has_a_file_open_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    assert processes.holders(str(path)) == []
    with path.open("w") as file:
        child = subprocess.Popen(["sleep", "1000"], stdout=file)
        dead = subprocess.Popen(["true"])
        dead.wait()
        pids = [os.getpid(), dead.pid, child.pid]
        monkeypatch.setattr(processes, "_all_pids", lambda: pids)
        assert processes.holders(str(path)) == [child.pid]
        child.kill()
        child.wait()


def test_a_process_is_paused_with_all_below_it() -> None:
    child = subprocess.Popen(["sh", "-c", "sleep 1000 & wait"])
    while not (below := processes.descendants(child.pid)):
        os.sched_yield()
    try:
        for pid in (child.pid, *below):
            assert not processes.is_paused(child.pid)
            os.kill(pid, signal.SIGSTOP)
            while not processes.is_stopped(pid):
                os.sched_yield()
        assert processes.is_paused(child.pid)
        assert not processes.is_paused(below[0])  # nothing would continue it
    finally:
        for pid in (child.pid, *below):
            os.kill(pid, signal.SIGKILL)
        child.wait()
