"""The live view on a terminal: what it shows, and that no trial waits for it."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autofinetune import terminal
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.sinks import Console, Sink
from autofinetune.sinks.live.display import Display
from autofinetune.sinks.live.screen import Screen
from autofinetune.sinks.live.sink import Live, on_console
from autofinetune.sinks.live.snapshot import Row, Snapshot
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of, tuner_in_memory
from tests.sinks.test_conformance import some_fail
from tests.tty import Tty

ROW = Row(7, 1, Slot("cpu:1"), 1.0, {"lr": 0.25}, step=3, score=0.5, reports=(0.1, 0.5))
SNAPSHOT = Snapshot(total=4, counts={"RUNNING": 1, "COMPLETED": 1}, rows=(ROW,))


@pytest.fixture(autouse=True)
def a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tty() -> Iterator[Tty]:
    with Tty() as found:
        yield found


def run(root: Path, sinks: list[Sink]) -> int:
    tuner = tuner_in_memory(root, config_of(), program=some_fail, sinks=sinks)
    tuner.start("run")
    return tuner.run().ended


def sinks_on(tty: Tty, root: Path, **more: Any) -> list[Sink]:
    return list(on_console(config_of(), RunPaths(root), tty.stream, 2, **more))


def test_a_run_leaves_the_lines_of_its_trials_and_no_frame(tty: Tty, tmp_path: Path) -> None:
    sinks = sinks_on(tty, tmp_path / "live")
    assert [type(sink) for sink in sinks] == [Live, Console]
    assert run(tmp_path / "live", sinks) == 9
    for sink in sinks:
        sink.close()
    tty.close()
    plain = io.StringIO()
    run(tmp_path / "plain", [Console(config_of(), RunPaths(tmp_path / "plain"), plain, 2)])

    def lines(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith("round")]

    unwrapped = re.sub("\x1b\\[[0-9;]*[A-Za-z]", "", tty.raw.decode()).replace("\r", "\n")
    assert lines(unwrapped)[-9:] == lines(plain.getvalue())
    assert "done  " not in str(tty.picture).splitlines()[-1]
    assert "was crashed!" in str(tty.picture)


def test_what_runs_is_shown_below_the_lines(tty: Tty) -> None:
    display = Display(tty.stream)
    display.show(SNAPSHOT)
    display.start()
    tty.wait_for("trial", "lr=0.25", "0.5", "▁█", "1/4 done", "best: none yet")
    display.above.write("one\ntwo\nthr")
    display.above.write("ee\n")
    text = tty.wait_for("three")
    assert text.index("one") < text.index("two") < text.index("three") < text.index("trial")
    display.close()
    tty.close()
    assert str(tty.picture) == "one\ntwo\nthree"
    assert display.above.isatty()
    assert b"\x1b[?" not in tty.raw  # no mode is changed, and the cursor stays


def test_prints_of_others_appear_above_it(tty: Tty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", tty.stream)
    monkeypatch.setattr(sys, "stderr", tty.stream)
    display = Display(tty.stream)
    display.show(SNAPSHOT)
    display.start()
    tty.wait_for("1/4 done")
    print("a callback of the user")
    terminal.tell("slot 1 waits")
    terminal.err_in_handler("stopping: no new trials are started")
    text = tty.wait_for("callback", "slot 1 waits", "stopping")
    assert text.index("callback") < text.index("stopping") < text.index("1/4 done")
    sys.stdout.write("without an end")
    assert display.close()
    assert (sys.stdout, sys.stderr, terminal.owner) == (tty.stream, tty.stream, None)
    print("after it")
    tty.close()
    assert str(tty.picture).splitlines()[-2:] == ["without an end", "after it"]


def test_streams_that_are_not_this_terminal_are_left_alone(tty: Tty) -> None:
    before = (sys.stdout, sys.stderr)
    display = Display(tty.stream)
    display.start()
    assert (sys.stdout, sys.stderr, terminal.owner) == (*before, None)
    display.close()


@pytest.mark.parametrize(
    "environment", [{"CI": "true"}, {"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}]
)
def test_plain_lines_where_a_live_view_is_not_wanted(
    environment: dict[str, str], tty: Tty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run(tmp_path, sinks_on(tty, tmp_path)) == 9
    tty.close()
    assert b"\x1b" not in tty.raw


def test_plain_lines_for_plain_and_for_a_file(tty: Tty, tmp_path: Path) -> None:
    (only,) = sinks_on(tty, tmp_path, is_plain=True)
    assert isinstance(only, Console)
    (only,) = on_console(config_of(), RunPaths(tmp_path), io.StringIO(), 2)
    assert isinstance(only, Console)


def test_a_view_that_fails_says_so_in_one_line(tty: Tty, tmp_path: Path) -> None:
    sinks = sinks_on(tty, tmp_path)
    display = sinks[0]._display  # type: ignore[attr-defined]
    display.show("no snapshot")
    display.start()
    text = tty.wait_for("WARNING: the live view stopped", "plain lines")
    assert "Traceback" not in text
    assert run(tmp_path, sinks[1:]) == 9
    for sink in sinks:
        sink.close()
    tty.close()
    assert str(tty.picture).count("live view stopped") == 1
    assert str(tty.picture).count("COMPLETED") == 7


def test_no_trial_waits_for_a_terminal_that_is_stopped(tmp_path: Path) -> None:
    tty = Tty()  # which nobody reads
    sinks = sinks_on(tty, tmp_path)
    display = sinks[0]._display  # type: ignore[attr-defined]
    sinks[0].flush(State())
    for number in range(10_000):  # more than the terminal holds
        display.above.write(f"line {number}\n")
    assert run(tmp_path, sinks) == 9
    assert not display.close(0.01)  # as for the last words of a process
    tty.read()
    display.close()
    tty.wait_for("line 9999", "COMPLETED")
    tty.close()


def test_a_terminal_that_is_gone_ends_the_view_alone(tmp_path: Path) -> None:
    tty = Tty()
    sinks = sinks_on(tty, tmp_path)
    os.close(tty.leader)
    assert run(tmp_path, sinks) == 9
    for sink in sinks:
        sink.close()
    tty.close()


def test_after_a_stop_the_frame_begins_anew(tty: Tty) -> None:
    display = Display(tty.stream)
    display.show(SNAPSHOT)
    display.start()
    tty.wait_for("best: none yet")
    before = signal.getsignal(signal.SIGCONT)
    os.kill(os.getpid(), signal.SIGCONT)
    end = time.monotonic() + 60
    while str(tty.picture).count("best: none yet") < 1 or display._is_continued:
        assert time.monotonic() < end
        os.sched_yield()
    display.close()
    assert signal.getsignal(signal.SIGCONT) is not before
    tty.close()


def test_lines_that_a_narrower_terminal_wrapped_are_drawn_over() -> None:
    tty = Tty(columns=80)
    screen = Screen(tty.follower, "utf-8")
    frame = [("x" * 50, 50), ("y" * 39, 39), ("", 0)]
    screen.draw([], frame)
    os.read(tty.leader, 1000)
    tty.resize(40, 24)
    screen.draw([], frame)
    assert os.read(tty.leader, 1000).startswith(b"\r\x1b[3A")
    screen.forget()
    screen.draw(["above"], [])
    assert os.read(tty.leader, 1000) == b"\r\x1b[Jabove\r\r\n"
    tty.close()


def test_a_terminal_without_unicode_gets_ascii() -> None:
    with Tty(encoding="ascii") as tty:
        display = Display(tty.stream)
        display.show(SNAPSHOT)
        display.start()
        tty.wait_for("1/4 done", "_#", "####")
        display.close()
        tty.close()
        assert tty.raw.isascii()


def test_a_background_process_leaves_the_screen_to_the_shell(tmp_path: Path) -> None:
    """A child in a process group of its own, which is not that of the terminal."""
    code = """
import os, pty, sys
child, leader = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm"
    if os.fork():
        os.wait()
        os._exit(0)
    os.setpgid(0, 0)
    from autofinetune.sinks.live.display import Display
    from autofinetune.sinks.live.snapshot import Snapshot
    display = Display(sys.stdout)
    display.show(Snapshot(total=3))
    display.start()
    print("a line")
    display.close()
    os._exit(0)
try:
    while data := os.read(leader, 1000):
        os.write(1, data)
except OSError:
    pass
os.wait()
"""
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "a line" in done.stdout
    assert "done" not in done.stdout
