"""Commands that steer a run: with a tuner in the background, and without one."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Workplace
from tests.faults.harness import wait_until

TUNE = ("--evaluator=fulltrail", "--popsize=2", "--round=4", "--seed=1", "--gpu=cpu:2")


def end(workplace: Workplace, pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        (workplace.root / "go").touch()
        if not select.select([pidfd], [], [], 60)[0]:
            os.kill(pid, signal.SIGKILL)
        os.close(pidfd)


@pytest.fixture
def detached(workplace: Workplace) -> Iterator[Workplace]:
    """A tuner in the background whose trials wait for the file `go`."""
    done = workplace.tune(*TUNE, "--detach", "hold", "go")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    pid = int(lines[-2].split("process ")[1].split(";")[0])
    assert lines[-2] == f"running in the background as process {pid}; its output: result/tuner.log"
    assert lines[-1] == (
        "to look: autofinetune status result      to stop: autofinetune stop result"
    )
    assert os.getsid(pid) == pid
    for number in (0, 1, 2):
        wanted = "/dev/null" if number == 0 else str(workplace.root / "result/tuner.log")
        assert str(Path(f"/proc/{pid}/fd/{number}").readlink()) == wanted
    yield workplace
    end(workplace, pid)


def status(workplace: Workplace) -> dict[str, object]:
    found: dict[str, object] = json.loads(workplace.run("status", "result", "--json").out)
    return found


def test_a_run_in_the_background_is_paused_changed_continued_and_stopped(
    detached: Workplace,
) -> None:
    done = detached.run("pause", "result")
    assert (done.code, done.out) == (
        0, "result is paused; to continue: autofinetune resume result\n",
    )  # fmt: skip
    assert "is already paused" in detached.run("pause", "result").out
    found = status(detached)
    assert (found["state"], found["is_paused"]) == ("RUNNING", True)
    text = detached.run("status", "result").out
    assert "RUNNING: paused by the user; to continue: autofinetune resume" in text

    done = detached.run("set", "result", "max-trials=5", "gpu=cpu:1")
    assert done.out == "round=3, max_trials=5, gpu=cpu:1 from now on\n"
    assert status(detached)["changed"] == {"round": 3, "max_trials": 5, "gpu": "cpu:1"}
    assert status(detached)["max_trials"] == 5
    assert (
        "changed since the start: round=3, max_trials=5, gpu=cpu:1"
        in detached.run("status", "result").out
    )

    done = detached.run("enqueue", "result", "lr=0.01", "units=40", "--json")
    assert json.loads(done.out) == {
        "event": "ConfigurationsEnqueued", "by_tuner": True,
        "configurations": [{"lr": 0.01, "units": 40}],
    }  # fmt: skip
    done = detached.run("note", "result", "0", "the first")
    assert done.out == "noted on trial 0\n"

    refused = detached.run("resume", "result", "--gpu=cpu:2")
    assert refused.code == 2
    assert "--gpu has no effect here" in refused.err
    assert detached.run("resume", "result").out == "result continues: trials start again\n"
    again = detached.run("resume", "result")
    assert again.code == 5
    assert "another tuner is using" in again.err

    (detached.root / "go").touch()
    wait_until(lambda: len(detached.ledger("end")) >= 3)
    done = detached.run("stop", "result")
    assert done.code == 0
    assert done.out.startswith(
        ("STOPPED: stopped by the user. To continue", "DONE: ", "result is")
    )
    csv = (detached.root / "result/trials.csv").read_text()
    assert ",0.01,40\n" in csv
    log = (detached.root / "result/tuner.log").read_text()
    assert "changed: round=3, max_trials=5, gpu=cpu:1" in log
    assert "paused: no further trials start; 2 running" in log
    assert "resumed" not in log


def test_stop_ends_running_trials_with_now_and_may_not_wait(detached: Workplace) -> None:
    done = detached.run("stop", "result", "--no-wait")
    assert done.code == 0
    assert done.out == "stopping result; to look: autofinetune status result\n"
    assert status(detached)["state"] == "RUNNING"  # the trials still wait
    done = detached.run("stop", "result", "--now", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["state"], found["reason"]) == ("STOPPED", "stopped by the user")
    done = detached.run("stop", "result")
    assert (done.code, done.out) == (
        0, "result is not running (STOPPED: stopped by the user)\n",
    )  # fmt: skip
    assert json.loads(detached.run("stop", "result", "--json").out)["state"] == "STOPPED"

    done = detached.run("pause", "result")
    assert done.code == 2
    assert "result is not running (STOPPED" in done.err
    done = detached.run("set", "result", "max_trials=3", "trial_timeout=900")
    assert done.out == ("round=2, max_trials=3, trial_timeout=900.0 once the run goes on\n")
    done = detached.run("set", "result", "trial_timeout=none", "--json")
    assert json.loads(done.out) == {
        "event": "OptionsChanged", "by_tuner": False, "options": {"trial_timeout": None},
    }  # fmt: skip
    assert detached.run("set", "result", "max_trials=3").out == "nothing to change\n"
    (detached.root / "more.csv").write_text("lr,units\n0.02,20\n0.03,30\n")
    done = detached.run("enqueue", "result", "--file=more.csv")
    assert done.out == ("2 configurations will be tried next once the run goes on\n")
    (detached.root / "go").touch()
    done = detached.run("resume", "result", "--detach")
    assert done.code == 0
    assert "resumed: 0 of 3 trials finished" in done.out
    wait_until(lambda: status(detached)["state"] == "DONE")
    rows = (detached.root / "result/trials.csv").read_text().splitlines()[1:]
    assert len(rows) == 3
    assert rows[2].endswith(",0.02,20")


def test_a_foreground_run_is_stopped_and_exits_as_after_ctrl_c(workplace: Workplace) -> None:
    words = ("train.py", "--param_file=hparam.yaml", "--output_dir=result", *TUNE, "hold", "go")
    tuner = workplace.start(*words)
    try:
        wait_until(lambda: len(workplace.ledger("start")) == 2)
        assert workplace.run("stop", "result", "--no-wait").code == 0
        (workplace.root / "go").touch()
        out, _ = tuner.communicate(timeout=60)
    finally:
        tuner.kill()
        tuner.wait()
    assert tuner.returncode == 130
    assert "stopping by request: no new trials are started; running ones finish" in out
    assert "Stopped. To continue: autofinetune resume result" in out
    assert len(workplace.ledger("end")) == 2


def test_a_mistake_is_told_as_in_the_foreground(workplace: Workplace) -> None:
    words = ("--popsize=0", *TUNE[1:], "--popsize=0")
    here, there = workplace.tune(*words), workplace.tune(*words, "--detach")
    assert (there.code, there.out, there.err) == (here.code, here.out, here.err)
    assert there.code == 2
    assert not (workplace.root / "result").exists()
    failed = workplace.tune("--detach", "--gpu=cpu:1", "--popsize=1", "--round=1",
                            "--max_failures=0", out="sub/result")  # fmt: skip
    assert failed.code == 0, failed.err


def test_a_run_that_is_over_at_once_has_its_own_exit_code(workplace: Workplace) -> None:
    assert workplace.tune(*TUNE, "--round=1").code == 0
    done = workplace.run("resume", "result", "--detach")
    assert done.code == 0
    assert "The final best eval score is" in done.out
    assert "background" not in done.out


WRONG = [
    (("set", "result", "seed=1"), "'seed' cannot be changed after the start"),
    (("set", "result", "rond=1"), "'rond' is no option (did you mean 'round'?)"),
    (("set", "result", "round"), "'round' is not of the form KEY=VALUE"),
    (("set", "result", "round=0"), "--round=0 must be a whole number of at least 1"),
    (("set", "result", "gpu=none"), "'none' in --gpu=none is not a device"),
    (("enqueue", "result"), "give either NAME=VALUE words or --file"),
    (("enqueue", "result", "lr=1"), "'1' is not a value of lr"),
    (("enqueue", "result", "l=1"), "'l' is no hyperparameter of this run"),
    (("enqueue", "result", "lr"), "'lr' is not of the form NAME=VALUE"),
    (("enqueue", "result", "--file=none.csv"), "--file=none.csv cannot be read"),
    (("note", "result", "9", "x"), "this run has no trial 9"),
    (("note", "result", "0", " "), "a note has 1 to 10000 characters"),
    (("import", "none.csv", "result"), "none.csv cannot be read"),
    (("stop", "."), "holds no run"),
    (("pause", "."), "holds no run"),
]


def test_mistakes_are_told_and_change_nothing(workplace: Workplace) -> None:
    assert workplace.tune(*TUNE, "--round=1").code == 0
    before = status(workplace)
    for words, why in WRONG:
        done = workplace.run(*words)
        assert done.code == 2, words
        assert why in done.err, words
    assert status(workplace) == before


def test_trials_of_elsewhere_are_imported_and_warm_start_a_run(workplace: Workplace) -> None:
    assert workplace.tune(*TUNE, "--round=2").code == 0
    table = workplace.root / "t.csv"
    table.write_text("lr,units,score\n0.011,41,0.99\n0.02,20,\n9,9,1\n")
    done = workplace.run("import", "t.csv", "result")
    assert done.out == ("the search learns from 2 trials of t.csv once the run goes on\n")
    assert workplace.run("set", "result", "round=3").code == 0
    assert workplace.run("resume", "result").code == 0
    rows = (workplace.root / "result/trials.csv").read_text().splitlines()[1:]
    assert rows[4].endswith(",0.011,41")
    done = workplace.tune(*TUNE, "--warm_start=t.csv,result/trials.csv", out="other")
    assert done.code == 0
    assert "warm start: 2 trials of t.csv fit this space" in done.out
    assert "warm start: 6 trials of result/trials.csv fit this space" in done.out
    assert ",0.011,41\n" in (workplace.root / "other/trials.csv").read_text()
    table.write_text("lr,units,score\n0.01,41,good\n")
    done = workplace.run("import", "t.csv", "result")
    assert done.code == 2
    assert "t.csv, line 2: the score 'good' is not a number" in done.err


def test_commands_are_run_at_the_end_and_for_the_best(workplace: Workplace) -> None:
    told = workplace.root / "told.py"
    told.write_text("import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')")
    command = f"python3 {told}"
    done = workplace.tune(
        *TUNE, f"--on_best={command} best", f"--on_end={command} 'the end'", "--name=mine"
    )
    assert done.code == 0
    bests = [json.loads(line) for line in (workplace.root / "best").read_text().splitlines()]
    scores = [one["best"]["score"] for one in bests]
    assert scores == sorted(scores)
    assert bests[0]["previous_best"] is None
    assert all(a["best"] == b["previous_best"] for a, b in itertools.pairwise(bests))
    (end_,) = [json.loads(line) for line in (workplace.root / "the end").read_text().splitlines()]
    assert (end_["state"], end_["name"], end_["best"]) == ("DONE", "mine", bests[-1]["best"])
    assert end_["output_dir"] == str(workplace.root / "result")
    assert Path(end_["best"]["model"], "weights").is_file()
    assert workplace.run("resume", "result").code == 0
    assert len((workplace.root / "best").read_text().splitlines()) == len(bests)
    assert len((workplace.root / "the end").read_text().splitlines()) == 2


def test_a_command_that_fails_is_one_warning(workplace: Workplace) -> None:
    done = workplace.tune(*TUNE, "--on_end=sh -c 'echo no mail >&2; exit 3'")
    assert done.code == 0
    assert "WARNING: the command of --on_end exited with code 3: no mail" in done.out
    done = workplace.tune(*TUNE, "--on_end=a 'b", out="other")
    assert done.code == 2
    assert "--on_end=a 'b cannot be split into words" in done.err
