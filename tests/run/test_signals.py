"""Signals during a run and after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from autofinetune.run import signals
from autofinetune.run.signals import SIGNALS, signals_to

THRICE = """
import os, signal, time
from autofinetune.run.signals import signals_to

def forever():
    while True:  # in which no handler is called
        signal.sigtimedwait([], 1000)

with signals_to(lambda: None, lambda: os.write(1, b"killed all")):
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGTERM)
    forever()
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


def test_each_signal_interrupts_once(capfd: pytest.CaptureFixture[str]) -> None:
    calls: list[int] = []
    with signals_to(lambda: calls.append(1), lambda: None) as arrived:
        for signum in (signal.SIGINT, signal.SIGTERM):  # the third would end this process
            os.kill(os.getpid(), signum)
            assert arrived[-1] == signum
    assert len(calls) == 2
    assert "no new trials are started" in capfd.readouterr().err
    assert all(signal.getsignal(signum) is signal.SIG_IGN for signum in SIGNALS)


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals_to(lambda: pytest.fail("was told"), lambda: None) as arrived:
        os.kill(os.getpid(), signal.SIGHUP)
        assert arrived == []


def test_handlers_come_back_where_the_process_goes_on() -> None:
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    with signals_to(lambda: None, lambda: None, is_last=False):
        assert signal.getsignal(signal.SIGINT) is not before[signal.SIGINT]
    assert {signum: signal.getsignal(signum) for signum in SIGNALS} == before


def test_the_third_ends_a_process_that_does_not_come_to_its_handlers() -> None:
    done = subprocess.run([sys.executable, "-c", THRICE], capture_output=True, timeout=60)
    assert done.returncode == 143
    assert done.stdout == b"killed all"
    assert b"stopped immediately" in done.stderr


def test_no_room_for_a_thread_is_an_error_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(signals, "_START_PAUSE_S", 0.0)
    with pytest.raises(OSError, match="no thread can be started"), signals_to(print, print):
        pytest.fail("it began")
