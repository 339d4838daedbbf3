"""Querying the cards, in a real process with a fake library."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autofinetune.errors import EnvironmentProblem
from autofinetune.executors.devices import cards
from autofinetune.executors.devices.cards import Card, CardProbe

LIBRARY = """
import os, signal
class Memory: used, total = 1, 2
def nvmlInit(): {init}
def nvmlShutdown(): pass
def nvmlDeviceGetCount(): return 2
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetMemoryInfo(handle): return Memory()
def nvmlDeviceGetUUID(handle): return f"GPU-{{handle}}"
def nvmlDeviceGetName(handle): return "A100"
class Process: pid, usedGpuMemory = 7, 5
def nvmlDeviceGetComputeRunningProcesses(handle): return [Process()] * handle
"""
Make = Callable[[str], CardProbe]


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Return a function that opens a probe of a driver that runs this code at its start."""
    opened = []

    def make(init: str) -> CardProbe:
        (tmp_path / "pynvml.py").write_text(LIBRARY.format(init=init))
        monkeypatch.syspath_prepend(str(tmp_path))
        opened.append(CardProbe())
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_cards_are_listed_and_found(probe: Make) -> None:
    one = probe("pass")
    expected = [Card(n, f"GPU-{n}", "A100", 1, 2, ((7, 5),) * n) for n in range(2)]
    assert one.first_cards() == expected
    assert one.look() == {"GPU-0": expected[0], "GPU-1": expected[1]}
    one.close()
    assert one.look() == {}


def test_no_library_and_a_broken_driver_are_no_driver(
    probe: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert probe("raise OSError").first_cards() is None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert CardProbe().first_cards() is None


def test_a_driver_that_takes_its_caller_along_is_no_driver(probe: Make) -> None:
    one = probe("os.kill(os.getpid(), signal.SIGKILL)")
    assert one.first_cards() is None
    assert one.look() == {}
    assert one.look() == {}


def test_a_driver_that_takes_its_caller_along_later_is_not_asked_again(
    probe: Make, tmp_path: Path
) -> None:
    sick = tmp_path / "sick"
    one = probe(f"os.path.exists({str(sick)!r}) and os.kill(os.getpid(), signal.SIGKILL)")
    assert one.first_cards()
    sick.touch()
    assert one.look() == {}
    process = one._process
    assert process is not None
    assert process.wait() == -signal.SIGKILL
    assert one.look() == {}
    assert one._process is None
    assert one.look() == {}


def test_a_driver_that_hangs_at_the_start_is_told(
    probe: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "START_PATIENCE_S", 0.2)
    one = probe("signal.pause()")
    with pytest.raises(EnvironmentProblem, match=r"has not answered for 0\.2 s"):
        one.first_cards()


def test_a_driver_that_hangs_later_is_not_asked_again(
    probe: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cards, "PATIENCE_S", 0.2)
    one = probe(f"os.path.exists({str(tmp_path / 'sick')!r}) and signal.pause()")
    assert one.first_cards()
    (tmp_path / "sick").touch()
    assert one.look() == {}
    assert one.look() == {}


def test_an_answer_that_is_no_list_of_cards_is_none(probe: Make) -> None:
    one = probe("print('[{\"x\": 1}]', flush=True)")
    assert one.first_cards() is None


def test_a_process_that_cannot_be_ended_is_left_behind(
    probe: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = probe("pass")
    assert one.first_cards()
    process = one._process
    assert process is not None
    with monkeypatch.context() as patched:
        patched.setattr(process, "kill", lambda: None)
        patched.setattr(process, "wait", _never)
        one.close()
    assert process.returncode == 0
    process.returncode = None
    process.kill()
    process.wait()


def _never(seconds: float) -> None:
    raise subprocess.TimeoutExpired(sys.executable, seconds)
