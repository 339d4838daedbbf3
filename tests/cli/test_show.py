"""Everything about one trial, and what it printed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from autofinetune.runner.files import try_lock
from tests.cli.conftest import Workplace
from tests.cli.test_run import DEADLINE_S, wait_until
from tests.helpers import conditional_space
from tests.runs import Written, mixed


@pytest.fixture
def run(workplace: Workplace) -> Written:
    return Written(workplace.root / "result")


def record(workplace: Workplace, *words: str) -> Any:
    shown = workplace.run(*words, "--json")
    assert (shown.code, shown.err) == (0, "")
    return json.loads(shown.out)


def test_a_trial_with_all_that_happened(workplace: Workplace, run: Written) -> None:
    run.trial(0, 0.1, mixed(0.01, 16))
    run.created(3, 0, **mixed(0.01, 32))
    run.started(3)
    run.reported(3, 0.9)
    run.lost(3, "exit:1")
    run.started(3, "1.2")
    run.reported(3, 0.1, 0.2, 0.4)
    run.ended(3, 0.4)
    text = workplace.run("show", "result", "3").out
    assert text.startswith("trial 3 of result (round 1, member 0)\nstatus   COMPLETED\n")
    assert "score    0.4, rank 1 of 2\n" in text
    assert " on slot 1.2, took 1.5 s\n" in text
    assert "parent   trial 0, whose model it continued\n" in text
    assert "model    result/round1/model-0\n" in text
    assert "  lr=0.01\n  units=32  (was 16)\n  optimizer=sgd\n" in text
    assert "curve    ▁▃█\n         3 reports, 0.1 at step 0 to 0.4 at step 2\n" in text
    first, second = text.split("attempts\n")[1].splitlines()
    assert first.split()[:3] == ["1", "slot", "0"]
    assert first.endswith("LOST: exit:1")
    assert second.endswith("COMPLETED")
    found = record(workplace, "show", "result", "3")
    assert found["changed"] == {"units": {"from": 16, "to": 32}}
    assert found["curve"] == [[0, 0.1], [1, 0.2], [2, 0.4]]
    assert [(one["attempt"], one["slot"], one["outcome"], one["reason"])
            for one in found["attempts"]] == [
        (1, "0", "LOST", "exit:1"), (2, "1.2", "COMPLETED", ""),
    ]  # fmt: skip
    assert (found["model_state"], found["parent_model_state"]) == ("saved", "saved")
    assert found["ended_at"] > found["started_at"] > found["created_at"]
    assert found["notes"] == []


def test_trials_in_every_status(workplace: Workplace, run: Written) -> None:
    run.created(0, **mixed())
    run.created(1, **mixed())
    run.started(1)
    run.reported(1, 0.5)
    run.trial(2, None, mixed(), reason="oom", model=None)
    run.trial(3, 0.5, mixed(), status="STOPPED", reason="medianstop", estimate=0.7)
    queued, running, failed, stopped = (record(workplace, "show", "result", n) for n in "0123")
    assert (queued["status"], queued["slot"], queued["attempts"]) == ("QUEUED", None, [])
    assert (queued["model_state"], queued["seconds"], queued["rank"]) == (None, None, None)
    assert (running["status"], running["ended_at"], running["curve"]) == (
        "RUNNING", None, [[0, 0.5]],
    )  # fmt: skip
    assert (failed["status"], failed["reason"], failed["score"]) == ("FAILED", "oom", None)
    assert failed["model_state"] == "none"
    assert (stopped["score"], stopped["estimate"], stopped["rank"]) == (0.5, 0.7, None)
    texts = [workplace.run("show", "result", n).out for n in "0123"]
    assert "started  -, took -\n" in texts[0]
    assert "(not finished)\n" in texts[1]
    assert "status   FAILED: oom\nscore    none\n" in texts[2]
    assert "model    none\n" in texts[2]
    assert "stopped early; estimated final score 0.7\n" in texts[3]


def test_a_removed_model(workplace: Workplace, run: Written) -> None:
    run.trial(0, 0.5, mixed())
    run.trial(1, 0.5, mixed(), parent=0)
    (run.model(0) / "weights").unlink()
    assert "model    removed\n" in workplace.run("show", "result", "0").out
    assert "continued (removed since)\n" in workplace.run("show", "result", "1").out
    assert record(workplace, "show", "result", "0")["model_state"] == "removed"
    assert record(workplace, "show", "result", "1")["parent_model_state"] == "removed"


def test_conditional_parameters_that_appear_and_disappear(workplace: Workplace) -> None:
    run = Written(workplace.root / "result", conditional_space())
    run.trial(0, 0.5, {"optimizer": "sgd", "momentum": 0.25, "lr": 0.5})
    run.trial(1, 0.5, {"optimizer": "adam", "schedule": True, "lr": 0.5}, parent=0)
    assert record(workplace, "show", "result", "1")["changed"] == {
        "optimizer": {"from": "sgd", "to": "adam"},
        "schedule": {"to": True},
        "momentum": {"from": 0.25},
    }
    text = workplace.run("show", "result", "1").out
    assert "  schedule=True  (was inactive)\n" in text
    assert "  momentum=(inactive)  (was 0.25)\n" in text


def test_repeats_are_named(workplace: Workplace) -> None:
    run = Written(workplace.root / "result", repeats=2, evaluator="fulltrail")
    run.trial(0, 0.5, mixed())
    run.trial(1, None, mixed(), reason="nan")
    assert "repeats  trials 0, 1: mean 0.5\n" in workplace.run("show", "result", "0").out


@pytest.mark.parametrize("command", ["show", "logs"])
def test_what_there_is_not(workplace: Workplace, run: Written, command: str) -> None:
    for number in ("0", "-1", "x", "1" * 20, "²", "\x1b[31m"):
        refused = workplace.run(command, "result", number)
        assert (refused.code, refused.out) == (2, "")
        assert "\x1b" not in refused.err
    run.created(0, **mixed())
    assert workplace.run(command, "result", "1").code == 2
    assert workplace.run(command, "nowhere", "0").code == 2
    assert workplace.run(command, "result").code == 2


# --- logs ---------------------------------------------------------------------------------------


def test_a_log_is_safe_to_print(workplace: Workplace, run: Written) -> None:
    run.trial(0, 0.5, mixed())
    run.log(0, b"\x1b[1;31mred\x1b[0m\x1b]0;title\x07 <b>\ta\xff\n"
               b" 1%\r50%\r100%\r\n\x07bell \xc2\x9b\nno end")  # fmt: skip
    shown = workplace.run("logs", "result", "0")
    wanted = ["red <b>\ta\ufffd", "100%", "\\x07bell \\x9b", "no end"]
    assert (shown.code, shown.out.splitlines()) == (0, wanted)
    assert workplace.run("logs", "result", "0", "-n", "2").out.splitlines() == wanted[2:]
    assert workplace.run("logs", "result", "0", "-n", "0").out == ""
    found = record(workplace, "logs", "result", "0", "--lines=1")
    assert found == {
        "trial": 0, "status": "COMPLETED", "attempt": None, "attempts": 1, "lines": ["no end"],
        "log": str(workplace.root / "result/round0/log-0.info"),
    }  # fmt: skip


def test_very_long_lines_come_in_parts(workplace: Workplace, run: Written) -> None:
    run.trial(0, 0.5, mixed())
    run.log(0, "x" * 3_000_000)
    assert workplace.run("logs", "result", "0").out.replace("\n", "") == "x" * 3_000_000


def test_the_part_of_an_attempt(workplace: Workplace, run: Written) -> None:
    run.created(0, **mixed())
    run.started(0)
    run.lost(0, "exit:1")
    run.started(0, log_start=6)
    run.ended(0, 0.5)
    run.log(0, "first\nsecond\n")
    assert workplace.run("logs", "result", "0").out == "first\nsecond\n"
    assert workplace.run("logs", "result", "0", "--attempt", "1").out == "first\n"
    assert workplace.run("logs", "result", "0", "--attempt", "1", "-f").out == "first\n"
    assert workplace.run("logs", "result", "0", "--attempt", "2").out == "second\n"
    for number in ("0", "3", "x"):
        assert workplace.run("logs", "result", "0", "--attempt", number).code == 2
    run.log(0, "new\n")  # written by the script, shorter than the first attempt was
    assert workplace.run("logs", "result", "0", "--attempt", "2").out == "new\n"


def test_attempts_of_a_real_run(workplace: Workplace) -> None:
    script = workplace.root / "train.py"
    script.write_text('print("attempt", flush=True)\n' + script.read_text())
    done = workplace.tune("--popsize=1", "--round=1", "--max_retries=exit:1", "crash_at", "0")
    assert done.code == 3
    whole = workplace.run("logs", "result", "0").out
    assert whole.count("planned crash") == 4  # the line of the source, and the error
    for number in ("1", "2"):
        part = workplace.run("logs", "result", "0", "--attempt", number).out
        assert part.startswith("attempt\n")
        assert part.count("RuntimeError: planned crash") == 1


def test_something_else_in_the_place_of_a_log(workplace: Workplace, run: Written) -> None:
    run.trial(0, 0.5, mixed())
    refused = workplace.run("logs", "result", "0")
    assert refused.code == 4
    assert "log-0.info was removed" in refused.err
    log = run.log(0, "secret")
    other = workplace.root / "other"
    log.rename(other)
    log.symlink_to(other)
    os.mkfifo(workplace.root / "fifo")
    for words in ((), ("-f",), ("--json",)):
        refused = workplace.run("logs", "result", "0", *words)
        assert (refused.code, refused.out) == (4, "")
        assert "is a link" in refused.err
    log.unlink()
    (workplace.root / "fifo").rename(log)
    refused = workplace.run("logs", "result", "0")
    assert refused.code == 4
    assert "it is not a regular file" in refused.err
    log.unlink()
    run.model(0).rename(workplace.root / "model")
    log.parent.rmdir()
    log.parent.symlink_to(workplace.root)
    assert workplace.run("logs", "result", "0").code == 4


def test_a_trial_that_never_started_has_no_log(workplace: Workplace, run: Written) -> None:
    run.created(0, **mixed())
    for words in ((), ("-f",)):
        refused = workplace.run("logs", "result", "0", *words)
        assert refused.code == 2
        assert "trial 0 has not started, so it has no log" in refused.err
    refused = workplace.run("logs", "result", "0", "--attempt=1")
    assert "it has not started yet" in refused.err
    assert workplace.run("logs", "result", "0", "-f", "--json").code == 2
    assert workplace.run("logs", "result", "0", "--lines=x").code == 2


def test_following_ends_with_the_trial(workplace: Workplace) -> None:
    """The script replaces its log meanwhile."""
    go, script = workplace.root / "go", workplace.root / "train.py"
    log = workplace.root / "result/round0/log-0.info"
    script.write_text(
        script.read_text().replace(
            "while args.hold", 'print("waits", flush=True)\nwhile args.hold'
        )
    )
    words = ("train.py", "--param_file=hparam.yaml", "--gpu=cpu", "--output_dir=result",
             "--popsize=1", "--round=1", "hold", str(go))  # fmt: skip
    with workplace.start(*words) as tuner:
        wait_until(lambda: log.exists() and "waits" in log.read_text())
        with workplace.start("logs", "result", "0", "-f") as follower:
            assert follower.stdout is not None
            assert follower.stdout.readline() == "epochs 3 max_seq_len 1\n"
            assert follower.stdout.readline() == "waits\n"
            new = log.with_name("new")
            new.write_text("replaced\n")
            new.rename(log)
            assert follower.stdout.readline() == "replaced\n"
            go.touch()
            assert follower.wait(DEADLINE_S) == 0
        assert tuner.stdout is not None
        tuner.stdout.read()
        assert tuner.wait(DEADLINE_S) == 0
    assert workplace.run("logs", "result", "0", "-f").out == "replaced\n"


def test_ctrl_c_ends_following(workplace: Workplace, run: Written) -> None:
    run.created(0, **mixed())
    run.started(0)
    run.log(0, "line\n")
    with (
        a_tuner_alive(run),
        workplace.start("logs", "result", "0", "-f") as follower,
    ):
        assert follower.stdout is not None
        assert follower.stdout.readline() == "line\n"
        follower.send_signal(signal.SIGINT)
        assert follower.wait(DEADLINE_S) == 130
    # Without a tuner and a process of the trial nothing is left to wait for.
    assert workplace.run("logs", "result", "0", "-f").out == "line\n"


def test_following_waits_for_a_trial_in_the_queue(workplace: Workplace, run: Written) -> None:
    run.created(0, **mixed())
    with (
        a_tuner_alive(run),
        workplace.start("logs", "result", "0", "-f", "-n", "5") as follower,
    ):
        run.started(0)
        run.log(0, "started\nended")
        run.ended(0, 0.5)
        assert follower.stdout is not None
        assert follower.stdout.read() == "started\nended\n"
        assert follower.wait(DEADLINE_S) == 0


@contextlib.contextmanager
def a_tuner_alive(run: Written) -> Iterator[None]:
    """Hold the lock of the run as its tuner does."""
    lock = try_lock(str(run.paths.lock))
    assert lock is not None
    yield
    os.close(lock)
