"""NNI experiments whose scripts read more than hyperparameters: budgets and checkpoints."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.manifests.helpers import NNI_2, swap

from .conftest import Done, Workplace

TUNER = "tuner:\n  name: GridSearch\n  classArgs: {optimize_mode: minimize}\n"
# Modelled on NNI's mnist-advisor.
BUDGETED = """
import argparse, json, os
import autofinetune.nni as nni

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--TRIAL_BUDGET", type=int, default=1)
parser.add_argument("--quiet", action="store_true")
args = vars(nni.merge_parameter(parser.parse_args(), nni.get_next_parameter()))
with open(f"seen.{nni.get_sequence_id()}", "w") as file:
    json.dump(args, file)
for unit in range(args["TRIAL_BUDGET"]):
    if not args["quiet"]:
        nni.report_intermediate_result(args["lr"] * unit)
nni.report_final_result(args["lr"] * args["TRIAL_BUDGET"])
"""
# Modelled on NNI's mnist-pbt-tuner-pytorch; the score counts how often a model was continued.
POPULATION = """
import json, os
import autofinetune.nni as nni

args = nni.get_next_parameter()
load = os.path.join(args["load_checkpoint_dir"], "model")
age = 0
if os.path.isfile(load):
    age = int(open(load).read()) + 1
nni.report_final_result(age)
if not os.path.exists(args["save_checkpoint_dir"]):
    os.makedirs(args["save_checkpoint_dir"])
with open(os.path.join(args["save_checkpoint_dir"], "model"), "w") as file:
    file.write(str(age))
with open(f"seen.{nni.get_sequence_id()}", "w") as file:
    json.dump(args, file)
"""


def run(workplace: Workplace, script: str, tuner: str, *words: str, args: str = "") -> Done:
    text = swap(swap(NNI_2, TUNER, tuner), "python3 mnist.py", f"{sys.executable} own.py{args}")
    (workplace.root / "own.py").write_text(script)
    (workplace.root / "m.yaml").write_text(text)
    return workplace.run("run", "m.yaml", "--gpu=cpu:2", "--output_dir=result", "--seed=1", *words)


def seen(workplace: Workplace) -> dict[int, Mapping[str, object]]:
    return {
        int(path.suffix[1:]): json.loads(path.read_text())
        for path in workplace.root.glob("seen.*")
    }


def rows(workplace: Workplace) -> list[dict[str, str]]:
    with (workplace.root / "result/trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "tuner",
    [
        "advisor: {name: Hyperband, classArgs: {R: 9, optimize_mode: maximize}}\n",
        "tuner: {name: BOHB, classArgs: {max_budget: 9, min_budget: 1}}\n",
    ],
)
def test_a_trial_gets_its_budget(workplace: Workplace, tuner: str) -> None:
    done = run(workplace, BUDGETED, tuner)
    assert done.code == 0, done.err
    found = seen(workplace)
    assert len(found) == 10
    assert all(args["TRIAL_BUDGET"] == 9 for args in found.values())
    assert all(type(args["TRIAL_BUDGET"]) is int for args in found.values())
    table = rows(workplace)
    assert {row["state"] for row in table} <= {"COMPLETED", "STOPPED"}
    assert "lr" in table[0]
    assert "TRIAL_BUDGET" not in (workplace.root / "result/trials.csv").read_text()
    assert "TRIAL_BUDGET" not in (workplace.root / "result/log_file.txt").read_text()
    again = workplace.run("run", "result/config.yaml", "--output_dir=again", "--max_trials=1")
    assert again.code == 0, again.err


def test_hopeless_trials_are_stopped_at_a_rung(workplace: Workplace) -> None:
    """The second trial waits after its first report, which is worse than the first trial's."""
    script = BUDGETED.replace(
        "    if not",
        "    if unit and nni.get_sequence_id(): __import__('time').sleep(1000)\n    if not",
    ).replace('args["lr"] * unit', "-nni.get_sequence_id()")
    tuner = "tuner: {name: Hyperband, classArgs: {R: 9}}\n"
    done = run(workplace, script, tuner, "--max_trials=2", "--gpu=cpu:1")
    assert done.code == 0, done.err
    assert [row["state"] for row in rows(workplace)] == ["COMPLETED", "STOPPED"]
    assert rows(workplace)[1]["reason"] == ("assessor: not among the best 1/3 at rung 1 at step 0")


def test_a_script_that_reports_its_end_only_uses_the_whole_budget(workplace: Workplace) -> None:
    tuner = "advisor: {name: Hyperband, classArgs: {R: 9}}\n"
    done = run(workplace, BUDGETED, tuner, "--max_trials=3", args=" --quiet")
    assert done.code == 0, done.err
    assert [row["state"] for row in rows(workplace)] == ["COMPLETED"] * 3


def test_pbt_continues_models_through_its_directories(workplace: Workplace) -> None:
    tuner = "tuner: {name: PBTTuner, classArgs: {population_size: 2}}\n"
    done = run(workplace, POPULATION, tuner, "--max_trials=6")
    assert done.code == 0, done.err
    table, found = rows(workplace), seen(workplace)
    score = {row["trial"]: float(row["score"]) for row in table}
    for row in table:
        args = found[int(row["trial"])]
        own = args["save_checkpoint_dir"]
        assert Path(str(own)).is_relative_to(workplace.root / "result")
        if row["parent"]:
            assert args["load_checkpoint_dir"] == found[int(row["parent"])]["save_checkpoint_dir"]
            assert score[row["trial"]] == score[row["parent"]] + 1
        else:
            assert args["load_checkpoint_dir"] == own
            assert score[row["trial"]] == 0
    assert max(score.values()) >= 2
    best = (workplace.root / "result/best_model/model").read_text()
    assert float(best) == max(score.values())


def test_a_replaced_pbt_trains_from_scratch(workplace: Workplace) -> None:
    done = run(workplace, POPULATION, "tuner: {name: PBT}\n", "--tuning_strategy=random")
    assert done.code == 0, done.err
    assert {row["score"] for row in rows(workplace)} == {"0.0"}


def test_a_tuner_that_is_not_here_is_replaced_by_an_option(workplace: Workplace) -> None:
    tuner = "tuner: {name: SMAC, classArgs: {config_dedup: true}}\n"
    done = run(workplace, BUDGETED, tuner, "--dry-run")
    assert done.code == 2
    assert len(done.err.splitlines()) == 3, done.err
    assert "'SMAC' is an NNI tuner that is not supported" in done.err
    tip = done.err.splitlines()[-1]
    words = tip.split("autofinetune ")[1].split()
    assert words[-1] == "--tuning_strategy=tpe"
    assert workplace.run(*words).code == 0


@pytest.mark.parametrize("assessor", ["{className: A, codeDirectory: .}", "{name: Mine}"])
def test_an_assessor_that_is_not_here_is_replaced_by_an_option(
    workplace: Workplace, assessor: str
) -> None:
    tuner = f"tuner: {{name: Random}}\nassessor: {assessor}\n"
    assert run(workplace, BUDGETED, tuner, "--dry-run").code == 2
    for name in ("none", "medianstop"):
        done = run(workplace, BUDGETED, tuner, "--dry-run", f"--assessor={name}")
        assert done.code == 0, done.err
