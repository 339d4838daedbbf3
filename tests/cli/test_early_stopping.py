"""Early stopping and the state of a run, as a user sees them, with real processes and files."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from .conftest import Workplace

DEADLINE_S = 60.0
# The first trial is good, all others are bad; after their first report they wait to be stopped.
LOOKING = """
import argparse, os, sys, time
import autofinetune as hub

parser = argparse.ArgumentParser()
for name in ("lr", "units", "saved_params_dir", "model_path"):
    parser.add_argument(f"--{name}")
parser.add_argument("--stubborn", type=int, default=0)
args = parser.parse_args()
trial = int(os.environ["AUTOFINETUNE_TRIAL"])
for epoch in range(3):
    hub.report_intermediate_result((1 + epoch) / 10 if trial == 0 else -1.0, epoch)
    while trial and (args.stubborn or not hub.should_stop()):
        time.sleep(0.005)
    if hub.should_stop():
        break
hub.report_final_result(0.9)
"""
OPTIONS = (
    "--evaluator=fulltrail", "--assessor=medianstop", "--assessor_options", "min_completed=1",
    "--gpu=cpu:1", "--popsize=3", "--round=1",
)  # fmt: skip


def rows(workplace: Workplace) -> list[dict[str, str]]:
    with (workplace.root / "result/trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        os.sched_yield()


def status(workplace: Workplace) -> dict[str, object]:
    done = workplace.run("status", "result", "--json")
    assert done.code == 0, done.err
    found: dict[str, object] = json.loads(done.out)
    return found


@pytest.mark.parametrize("more", [(), ("--stop_grace=0.2", "--", "--stubborn=1")])
def test_hopeless_trials_end_early_whether_they_look_or_not(
    workplace: Workplace, more: tuple[str, ...]
) -> None:
    (workplace.root / "train.py").write_text(LOOKING)
    done = workplace.tune(*OPTIONS, *more)
    assert done.code == 0, done.err
    assert [row["state"] for row in rows(workplace)] == ["COMPLETED", "STOPPED", "STOPPED"]
    assert [row["score"] for row in rows(workplace)] == ["0.9", "-1.0", "-1.0"]
    reason = "assessor: worse than the median of 1 trials at step 0"
    assert {row["reason"] for row in rows(workplace)[1:]} == {reason}
    assert "STOPPED  score -1 " in done.out.replace("\n", " ")
    assert reason in (workplace.root / "result/log_file.txt").read_text()
    found = status(workplace)
    assert (found["state"], found["counts"]) == (
        "DONE", {"QUEUED": 0, "RUNNING": 0, "COMPLETED": 1, "FAILED": 0, "STOPPED": 2},
    )  # fmt: skip


def test_a_stubborn_trial_of_a_killed_tuner_is_ended_after_the_resume(
    workplace: Workplace,
) -> None:
    (workplace.root / "train.py").write_text(LOOKING)
    words = ("train.py", "--param_file=hparam.yaml", "--output_dir=result", *OPTIONS)
    process = workplace.start(*words, "--stop_grace=3", "--", "--stubborn=1")
    stop = workplace.root / "result/trials/1/attempt-1/stop"
    wait_until(stop.exists)
    process.kill()
    process.communicate()
    killed = status(workplace)
    assert (killed["state"], killed["counts"]["RUNNING"]) == ("ERROR", 1)  # type: ignore[index]
    assert "its tuner is gone" in str(killed["reason"])
    done = workplace.run("resume", "result")
    assert done.code == 0, done.err
    assert [row["state"] for row in rows(workplace)] == ["COMPLETED", "STOPPED", "STOPPED"]
    assert {row["attempt"] for row in rows(workplace)} == {"1"}


def test_the_status_of_a_run_that_goes_on(workplace: Workplace) -> None:
    hold = workplace.root / "go"
    process = workplace.start(
        "train.py", "--param_file=hparam.yaml", "--gpu=cpu:1", "--output_dir=result",
        "--popsize=2", "--round=1", "hold", str(hold),
    )  # fmt: skip
    journal = workplace.root / "result/run.db"
    wait_until(lambda: journal.exists() and journal.stat().st_size > 0)
    wait_until(lambda: "at step 2" in workplace.run("status", "result").out)
    text = workplace.run("status", "result").out
    assert text.startswith("RUNNING\n1 of 2 trials created: 1 RUNNING\nbest: none")
    assert "slot cpu:0: trial 0, attempt 1, for " in text
    process.send_signal(signal.SIGINT)
    hold.touch()
    process.communicate()
    text = workplace.run("status", "result").out
    assert text.startswith("STOPPED: stopped by the user\n1 of 2 trials created: 1 COMPLETED\n")
    assert "best: " in text
    assert " by trial 0: lr=0.001, units=16" in text


def test_the_status_of_nothing(workplace: Workplace) -> None:
    done = workplace.run("status", "nowhere")
    assert done.code == 2
    assert "nowhere holds no run" in done.err


def test_a_run_out_of_time_says_how_to_go_on(workplace: Workplace) -> None:
    done = workplace.tune("--gpu=cpu:1", "--popsize=3", "--round=1", "--max_seconds=0.001")
    assert done.code == 6
    assert "Time limit reached" in done.out
    assert "autofinetune resume result --max_seconds=<more>" in done.out
    assert status(workplace)["state"] == "TIMEOUT"
    again = workplace.run("resume", "result", "--max_seconds=1000")
    assert again.code == 0, again.err
    assert len(rows(workplace)) == 3
    assert status(workplace)["state"] == "DONE"


def test_a_mistake_in_an_option_is_told_before_anything_is_written(workplace: Workplace) -> None:
    done = workplace.tune("--assessor=asha", "--assessor_options", "etta=3")
    assert done.code == 2
    assert "ASHA has no option 'etta' (did you mean 'eta'?)" in done.err
    assert not (workplace.root / "result").exists()


def test_assessors_are_listed_with_their_options(workplace: Workplace) -> None:
    out = workplace.run("assessors").out
    for words in ("medianstop", "start_step=0", "threshold=0.95", "eta=3.0", "reduction_factor"):
        assert words in out
