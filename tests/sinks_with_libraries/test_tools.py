"""What is logged to other tools, read back with their own libraries."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.strangers.helpers import PYTHON, Place

TOOLS = ("tensorboard", "mlflow", "wandb", "trackio")
TRIALS = 50
READER = Path(__file__).with_name("read_back.py")
# Trials 3, 13, ... fail, 5, 15, ... report a score that is no number.
TRAIN = """
import argparse, math, os
import autofinetune as hub

parser = argparse.ArgumentParser()
for name, kind in (("lr", float), ("units", int), ("optimizer", str), ("momentum", float)):
    parser.add_argument(f"--{name}", type=kind)
args = parser.parse_args()
trial = int(os.environ["AUTOFINETUNE_TRIAL"])
print(*sorted(name for name in os.environ if name.startswith(("WANDB", "MLFLOW", "TRACKIO"))))
for epoch in range(trial % 4):
    hub.report_intermediate_result(epoch + args.lr, 10 * epoch)
if trial % 10 == 3:
    raise RuntimeError("planned")
hub.report_final_result(math.nan if trial % 10 == 5 else 1.0 - args.lr)
"""
HPARAM = """
param_list:
 - {name: lr, type: float, init_value: 0.001, greater_than: 0.00001, lower_than: 0.1, log: true}
 - {name: units, type: int, init_value: 16, greater_than: 4, lower_than: 64}
 - {name: optimizer, type: choice, choices: [sgd, adam]}
 - {name: momentum, type: float, init_value: 0.5, greater_than: 0, lower_than: 1,
    only_if: {optimizer: sgd}}
"""
TUNE = ("train.py", "--param_file=hparam.yaml", "--gpu=cpu:2", "--evaluator=fulltrail",
        "--tuning_strategy=random", "--seed=1", "--output_dir=result", )  # fmt: skip

pytestmark = [pytest.mark.xdist_group("tools"), pytest.mark.long]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A run of 50 trials whose tuner was killed once; with what it said in `said`."""
    if not os.environ.get(PYTHON):
        pytest.skip(f"needs a Python with the tools, named by {PYTHON}: make test-integrations")
    place = place_in(tmp_path_factory.mktemp("tools"))
    words = (*TUNE, "--popsize=10", "--round=5", f"--log_to={','.join(TOOLS)}")
    place.kill_when(lambda: len(list(place.root.glob("result/wandb/offline-run-*"))) >= 5, *words)
    done = place.run("resume", "result")
    assert done.code == 0, place.explain(done)
    (place.root / "said").write_text(done.out + done.err)
    return place


def place_in(folder: Path) -> Place:
    root, home = folder / "work", folder / "home"
    root.mkdir()
    home.mkdir()
    place = Place(root, home)
    place.write(train_py=TRAIN, hparam_yaml=HPARAM)
    return place


def read_back(place: Place, tool: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [os.environ[PYTHON], str(READER), tool, str(place.root / "result")],
        env=place.env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def events(place: Place, kind: str) -> list[dict[str, Any]]:
    """The events of one kind in the journal, read without our package."""
    import sqlite3

    with sqlite3.connect(place.root / "result/run.db") as journal:
        rows = journal.execute("SELECT body FROM events WHERE kind = ? ORDER BY seq", (kind,))
        return [json.loads(body) for (body,) in rows]


def is_same(found: object, wanted: object) -> bool:
    """Whether a value is the recorded one; some tools store text, or 32 bits."""
    if isinstance(wanted, (int, float)):
        return math.isclose(float(str(found)), wanted, rel_tol=1e-6)
    return found == wanted


@pytest.mark.parametrize("tool", TOOLS)
def test_every_trial_is_there_once_after_a_kill(run: Place, tool: str) -> None:
    found = {one["name"]: one for one in read_back(run, tool)}
    assert len(read_back(run, tool)) == TRIALS
    assert sorted(found) == [f"trial-{number:05d}" for number in range(TRIALS)]
    params = {event["trial"]: event["params"] for event in events(run, "TrialCreated")}
    slots = {event["trial"]: event["slot"] for event in events(run, "AttemptPlanned")}
    states = set()
    for end in events(run, "TrialEnded"):
        number = end["trial"]
        one = found[f"trial-{number:05d}"]
        assert one["params"].keys() == params[number].keys()
        for name, value in params[number].items():
            assert is_same(one["params"][name], value), (name, one)
        assert (one["score"] is None) == (end["score"] is None)
        assert one["score"] is None or is_same(one["score"], end["score"])
        curve = [(10 * epoch, epoch + params[number]["lr"]) for epoch in range(number % 4)]
        assert len(one["curve"]) == len(curve), one
        for (step, score), (wanted_step, wanted) in zip(one["curve"], curve, strict=True):
            assert step == wanted_step
            assert is_same(score, wanted)
        facts = one["facts"]
        assert facts["state"] == end["status"]
        assert facts.get("reason", "") == end["reason"]
        assert float(facts["seconds"]) == pytest.approx(end["seconds"], abs=0.001)
        assert facts["slot"] == slots[number]
        assert facts["status"] == ("FAILED" if end["status"] == "FAILED" else "FINISHED")
        states.add((end["status"], end["reason"]))
    assert states == {("COMPLETED", ""), ("FAILED", "exit:1"), ("FAILED", "nan")}


def test_training_and_the_console_are_not_disturbed(run: Place) -> None:
    for log in run.logs():
        assert log.read_text().splitlines()[0] == "", log
    said = (run.root / "said").read_text()
    for word in (
        "wandb:",
        "* Trackio",
        "INFO mlflow",
        "Traceback (most recent call last):\n  File",
    ):
        assert word not in said.replace("| ", ""), word
    assert "wandb sync result/wandb/offline-run-*" in said


def test_no_process_is_left(run: Place) -> None:
    mark = f"HOME={run.home}\0".encode()
    left = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environ.read_bytes():
                left.append((environ.parent / "cmdline").read_bytes())
        except OSError:
            continue
    assert left == []


@pytest.mark.parametrize("tool", TOOLS)
def test_rebuild_writes_again_what_is_gone(run: Place, tool: str) -> None:
    shutil.rmtree(run.root / "result" / tool)
    done = run.run("rebuild", "result")
    assert done.code == 0, done.err
    assert "WARNING" not in done.out
    assert len(read_back(run, tool)) == TRIALS


def test_mlflow_uses_the_server_that_the_user_names(run: Place, tmp_path: Path) -> None:
    place = place_in(tmp_path)
    place.variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path}/elsewhere.db"
    done = place.run(*TUNE, "--popsize=2", "--round=1", "--log_to=mlflow")
    assert done.code == 0, done.err
    assert "open the pages of the server in MLFLOW_TRACKING_URI" in done.out
    assert len(read_back(place, "mlflow")) == 2
    assert [path.name for path in (place.root / "result/mlflow").iterdir()] == ["messages.txt"]
    with (place.root / "result/trials.csv").open(newline="") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["COMPLETED"] * 2
