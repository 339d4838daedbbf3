"""`autofinetune top`: its text, its JSON, and the live view on a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Workplace
from tests.cli.test_run import wait_until
from tests.nursery import Forked
from tests.tty import Tty

KEYS = {"run", "name", "state", "reason", "total", "counts", "slots", "running", "waits", "best",
        "best_scores", "seconds_left"}  # fmt: skip
ROW_KEYS = {"trial", "attempt", "slot", "since", "params", "changed", "parent", "step", "score",
            "node", "reports", "stop_reason", "is_waiting", "pid", "cpu_percent", "memory_bytes",
            "gpu_percent", "gpu_memory_bytes"}  # fmt: skip


@contextlib.contextmanager
def held_run(workplace: Workplace, *words: str) -> Iterator[tuple[Forked, Path]]:
    """A run whose trials wait for a file, which `hold` is the path of."""
    assert workplace.nursery is not None
    hold = workplace.root / "go"
    task = {
        "words": ["train.py", "--param_file=hparam.yaml", "--gpu=cpu:2", "--output_dir=result",
                  "--popsize=2", "--round=2", "--seed=1", *words, "hold", str(hold)],
        "cwd": str(workplace.root), "env": workplace.env, "out": str(workplace.root / "out"),
    }  # fmt: skip
    tuner = Forked(workplace.nursery, task)
    try:
        wait_until(lambda: len(workplace.ledger("start")) >= 2)
        yield tuner, hold
    finally:
        hold.touch()
        tuner.wait(60)


def reported(workplace: Workplace) -> bool:
    rows = json.loads(workplace.run("top", "result", "--json").out)["running"]
    return len(rows) == 2 and all(row["step"] == 2 for row in rows)


def on_tty(workplace: Workplace, tty: Tty, *words: str) -> Forked:
    """Start a command whose standard streams are a terminal."""
    assert workplace.nursery is not None
    task = {"words": words, "cwd": str(workplace.root), "tty": os.ttyname(tty.follower),
            "out": os.devnull, "env": {**workplace.env, "TERM": "xterm"}}  # fmt: skip
    for name in ("CI", "NO_COLOR"):
        task["env"].pop(name, None)  # type: ignore[attr-defined]
    return Forked(workplace.nursery, task)


def test_a_finished_run_as_text_and_as_data(workplace: Workplace) -> None:
    assert (
        workplace.tune("--popsize=2", "--round=2", "--seed=1", "--name=mine", "crash_at", "1").code
        == 0
    )
    for words in ((), ("--once",)):
        done = workplace.run("top", "result", *words)
        assert done.code == 0
        assert done.out.startswith("run mine: DONE: all trials ended\n")
        assert "4/4 done  3 finished  1 failed" in done.out
        assert "best 0." in done.out
        assert "\x1b" not in done.out
    found = json.loads(workplace.run("top", "result", "--json").out)
    assert set(found) == KEYS
    assert found["state"] == "DONE"
    assert found["counts"] == {
        "QUEUED": 0,
        "RUNNING": 0,
        "COMPLETED": 3,
        "FAILED": 1,
        "STOPPED": 0,
    }
    assert (found["total"], found["running"], found["waits"]) == (4, [], [])
    assert set(found["best"]) == {"trial", "score", "params"}
    assert found["best_scores"][-1][1] == found["best"]["score"]
    assert found["seconds_left"] is None


def test_a_run_that_is_running_as_text_and_as_data(workplace: Workplace) -> None:
    with held_run(workplace):
        wait_until(lambda: reported(workplace))
        found = json.loads(workplace.run("top", "result", "--json").out)
        assert found["state"] == "RUNNING"
        first, second = found["running"]
        assert set(first) == ROW_KEYS
        assert {first["slot"], second["slot"]} == {"cpu:0", "cpu:1"}
        assert first["reports"] == [0.0, 0.1, 0.2]
        assert first["memory_bytes"] > 1 << 20
        assert first["cpu_percent"] > 0
        text = workplace.run("top", "result", "--once").out
        assert text.startswith("RUNNING\n")
        for word in ("trial", "cpu:0", "lr=0.001", "reports", "▁▅█", "CPU", "0/4 done  2 running"):
            assert word in text


def test_what_holds_no_run_is_refused(workplace: Workplace) -> None:
    done = workplace.run("top", "nowhere")
    assert done.code == 2
    assert "holds no run" in done.err
    assert workplace.run("top").code == 2


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_it_follows_a_run_until_one_has_seen_enough(workplace: Workplace, key: str) -> None:
    with held_run(workplace), Tty(columns=100) as tty:
        before = termios.tcgetattr(tty.follower)
        command = on_tty(workplace, tty, "top", "result")
        tty.wait_for("lr=", "cpu:0", "0/4 done  2 running")
        wait_until(lambda: not has_lines(tty))
        tty.press(key)
        assert command.wait(60) == 0
        assert termios.tcgetattr(tty.follower) == before
        tty.wait_for("RUNNING")
        assert b"\x1b[?" not in tty.raw  # the cursor was never hidden


def test_it_ends_with_the_run_and_shows_the_lines_of_its_trials(workplace: Workplace) -> None:
    with held_run(workplace, "crash_at", "2") as (tuner, hold), Tty(columns=150, rows=50) as tty:
        command = on_tty(workplace, tty, "top", "result")
        tty.wait_for("0/4 done  2 running")
        hold.touch()
        assert command.wait(60) == 0
        text = tty.wait_for("DONE: all trials ended", "4/4 done")
        assert "was crashed!" in text
        assert "exception at " in text
        assert "RuntimeError: planned crash" in text
        assert sum(line.startswith("round ") for line in text.splitlines()) == 4
        assert tuner.wait(60) == 0


def has_lines(tty: Tty) -> bool:
    """Whether the terminal is as a shell leaves it: keys arrive line by line."""
    return bool(termios.tcgetattr(tty.follower)[3] & termios.ICANON)


def in_shell(workplace: Workplace, tty: Tty, words: str) -> subprocess.Popen[bytes]:
    """Start words of a shell in a session whose terminal this is."""
    env = {**workplace.env, "TERM": "xterm", "PS1": "$ ", "ENV": ""}
    for name in ("CI", "NO_COLOR"):
        env.pop(name, None)
    return subprocess.Popen(
        ["sh", "-c", f"exec {words} < {os.ttyname(tty.follower)}"], cwd=workplace.root, env=env,
        stdin=subprocess.DEVNULL, stdout=tty.follower, stderr=tty.follower, start_new_session=True,
    )  # fmt: skip


def test_modes_are_restored_after_a_signal(workplace: Workplace) -> None:
    with held_run(workplace), Tty(columns=100) as tty:
        before = termios.tcgetattr(tty.follower)
        command = in_shell(workplace, tty, f"{sys.executable} -m autofinetune top result")
        wait_until(lambda: not has_lines(tty))
        command.send_signal(signal.SIGTERM)
        assert command.wait(60) == 143
        assert termios.tcgetattr(tty.follower) == before


def test_modes_are_restored_while_it_is_stopped(workplace: Workplace) -> None:
    with held_run(workplace), Tty(columns=100, rows=50) as tty:
        shell = in_shell(workplace, tty, "sh -i")
        tty.press(f"{sys.executable} -m autofinetune top result\n")
        tty.wait_for("0/4 done  2 running")
        assert not has_lines(tty)
        tty.press("\x1a")
        tty.wait_for("Stopped")
        assert has_lines(tty)
        tty.press("fg\n")
        wait_until(lambda: not has_lines(tty))
        tty.press("q")
        wait_until(lambda: has_lines(tty))
        tty.press("exit\n")
        shell.wait(60)


def test_a_run_on_a_terminal_is_live_and_plain_if_asked(workplace: Workplace) -> None:
    words = ("train.py", "--param_file=hparam.yaml", "--gpu=cpu:2", "--popsize=2", "--round=1")
    with Tty(columns=100, rows=40) as tty:
        hold = workplace.root / "go"
        command = on_tty(workplace, tty, *words, "--output_dir=live", "hold", str(hold))
        tty.wait_for("slot", "hyperparameters", "0/2 done  2 running")
        hold.touch()
        assert command.wait(60) == 0
        text = tty.wait_for("The final best eval score is")
        assert "running" not in text.splitlines()[-3]
        assert b"\x1b[?" not in tty.raw
    with Tty(columns=100, rows=40) as tty:
        command = on_tty(workplace, tty, *words, "--output_dir=plain", "--plain")
        assert command.wait(60) == 0
        tty.wait_for("2/2 done", "The final best eval score is")
        assert b"\x1b" not in tty.raw


def test_resume_takes_plain_too(workplace: Workplace) -> None:
    with held_run(workplace) as (tuner, _):
        tuner.send_signal(signal.SIGKILL)
        tuner.wait(60)
        text = workplace.run("top", "result").out
        assert text.startswith("ERROR: its tuner is gone")
    with Tty(columns=100, rows=40) as tty:
        command = on_tty(workplace, tty, "resume", "result", "--plain")
        assert command.wait(60) == 0
        tty.wait_for("resumed: 0 of 4 trials finished", "The final best eval score is")
        assert b"\x1b" not in tty.raw
