"""Processes that end while they are looked at, and a machine without a C library."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from pathlib import Path

import pytest

from autofinetune.runner import processes


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
