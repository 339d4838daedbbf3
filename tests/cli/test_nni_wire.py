"""Unchanged scripts written for NNI: real processes, real files."""

from __future__ import annotations

import csv
import importlib.util
import json

import pytest

from .conftest import Workplace

SPACE = """\
{"lr": {"_type": "choice", "_value": [0.1, 0.2]},
 "net": {"_type": "choice", "_value": [
   {"_name": "wide", "units": {"_type": "randint", "_value": [16, 17]}}, {"_name": "deep"}]}}
"""
# What the trial side of the package nni does on its local platform (3.0, local_legacy.py), written
# with the standard library: a stand-in if that package is not installed.
STAND_IN = """
import json, os, subprocess
_here = os.environ["NNI_SYS_DIR"]
assert os.environ["NNI_PLATFORM"] == "local" and not os.environ["NNI_TRIAL_COMMAND_CHANNEL"]
assert os.environ["REUSE_MODE"] not in ("true", "True")
os.makedirs(os.path.join(_here, ".nni"), exist_ok=True)
_file = open(os.path.join(_here, ".nni", "metrics"), "ab")
_sequence = 0

def get_next_parameter():
    global _record
    with open(os.path.join(_here, "parameter.cfg")) as file:
        _record = json.load(file)
    return _record["parameters"]

def _send(kind, sequence, value):
    said = json.dumps({
        "parameter_id": _record["parameter_id"], "trial_job_id": get_trial_id(),
        "type": kind, "sequence": sequence, "value": json.dumps(value),
    })
    data = (said + "\\n").encode("utf8")
    _file.write(b"ME%06d%b" % (len(data), data))
    _file.flush()
    subprocess.run(["touch", _file.name], check=True)

def report_intermediate_result(value):
    global _sequence
    _send("PERIODICAL", _sequence, value)
    _sequence += 1

def report_final_result(value):
    _send("FINAL", 0, value)

def get_experiment_id():
    return os.environ["NNI_EXP_ID"]

def get_trial_id():
    return os.environ["NNI_TRIAL_JOB_ID"]

def get_sequence_id():
    return int(os.environ["NNI_TRIAL_SEQ_ID"])
"""
SCRIPT = """
import json, os, sys
import nni

params = {"lr": 0.5, "net": None}
params.update(nni.get_next_parameter())
assert json.loads(os.environ["AUTOFINETUNE_PARAMS"]) == params
assert nni.get_experiment_id() == os.environ["AUTOFINETUNE_RUN"]
assert nni.get_trial_id() == str(nni.get_sequence_id()) == os.environ["AUTOFINETUNE_TRIAL"]
print(json.dumps({"words": sys.argv[1:], "params": params}), flush=True)
for epoch in range(3):
    nni.report_intermediate_result({"default": epoch / 10, "loss": 1.0})
with open(os.path.join(os.environ["NNI_OUTPUT_DIR"], "weights"), "w") as file:
    file.write(str(params))
nni.report_final_result(params["lr"] + (params["net"]["_name"] == "deep"))
"""
WORDS = (
    "train.py", "--nni_wire", "--param_file=space.json", "--output_dir=result", "--gpu=cpu:1",
    "--popsize=4", "--round=1", "--tuning_strategy=GridSearch",
)  # fmt: skip
IS_INSTALLED = importlib.util.find_spec("nni") is not None


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    """A directory with a script for NNI."""
    (workplace.root / "space.json").write_text(SPACE)
    (workplace.root / "train.py").write_text(SCRIPT)
    (workplace.root / "nni.py").write_text(STAND_IN)
    return workplace


def rows(place: Workplace) -> list[dict[str, str]]:
    with (place.root / "result/trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def logged(place: Workplace, member: int) -> dict[str, object]:
    lines = (place.root / f"result/round0/log-{member}.info").read_text().splitlines()
    found: dict[str, object] = json.loads(lines[0])
    return found


@pytest.mark.parametrize(
    "package",
    [
        "a stand-in",
        pytest.param(
            "nni",
            marks=pytest.mark.skipif(
                not IS_INSTALLED, reason="needs the package itself: pip install nni==3.0"
            ),
        ),
    ],
)
def test_a_script_that_imports_nni_is_tuned_unchanged(place: Workplace, package: str) -> None:
    if package == "nni":
        (place.root / "nni.py").unlink()
    done = place.run(*WORDS)
    assert done.code == 0, done.err + done.out
    assert [row["state"] for row in rows(place)] == ["COMPLETED"] * 4
    first = {"lr": 0.1, "net": {"_name": "wide", "units": 16}}
    assert logged(place, 0) == {"words": [], "params": first}
    scores = {(row["lr"], row["net"]): row["score"] for row in rows(place)}
    assert scores == {
        ("0.1", "wide"): "0.1", ("0.1", "deep"): "1.1",
        ("0.2", "wide"): "0.2", ("0.2", "deep"): "1.2",
    }  # fmt: skip
    assert "The final best eval score is 1.2." in done.out
    best = (place.root / "result/best_model/weights").read_text()
    assert best == "{'lr': 0.2, 'net': {'_name': 'deep'}}"


def test_results_on_the_way_are_judged_like_all_others(place: Workplace) -> None:
    (place.root / "train.py").write_text(
        "import nni, time\n"
        "nni.get_next_parameter()\n"
        "bad = nni.get_sequence_id()\n"
        "for epoch in range(3):\n"
        "    nni.report_intermediate_result({'default': -1.0 if bad else epoch})\n"
        "    while bad: time.sleep(0.01)\n"
        "nni.report_final_result(1)\n"
    )
    done = place.run(
        *WORDS, "--popsize=2", "--assessor=medianstop", "--assessor_options", "min_completed=1",
        "--stop_grace=0",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert [(row["state"], row["score"]) for row in rows(place)] == [
        ("COMPLETED", "1.0"), ("STOPPED", "-1.0"),
    ]  # fmt: skip


def test_a_script_that_never_reports_its_end_has_failed(place: Workplace) -> None:
    (place.root / "train.py").write_text(
        "import nni; nni.get_next_parameter(); nni.report_intermediate_result(1)"
    )
    done = place.run(*WORDS, "--popsize=1")
    assert done.code == 3
    (row,) = rows(place)
    assert (row["state"], row["reason"], row["score"]) == ("FAILED", "no_result", "")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("# add --saved_params_dir one day", []),
        ("""import argparse
parser = argparse.ArgumentParser()
parser.add_argument('--saved_params_dir')
parser.add_argument("--epochs")
known = parser.parse_args()
assert known.saved_params_dir == os.environ["AUTOFINETUNE_SAVED_PARAMS_DIR"]
""", ["--epochs=3", "--saved_params_dir={root}/result/round0/model-0"]),
    ],
)  # fmt: skip
def test_a_script_gets_the_options_that_it_declares(
    place: Workplace, lines: str, words: list[str]
) -> None:
    (place.root / "train.py").write_text(f"import os\n{lines}\n{SCRIPT}")
    given = ("epochs", "3") if len(words) > 1 else ()
    wanted = [word.format(root=place.root) for word in words]
    planned = place.run(*WORDS, "--dry-run", *given)
    assert planned.code == 0, planned.err
    (command,) = [line for line in planned.out.splitlines() if "_PARAMS=" in line][:1]
    assert command.endswith(" ".join(["train.py", *wanted]))
    assert """AUTOFINETUNE_PARAMS='{"lr": 0.1, "net": {"_name": "wide\"""" in command
    done = place.run(*WORDS, *given)
    assert done.code == 0, done.err
    assert logged(place, 0)["words"] == wanted


def test_a_model_can_be_continued_by_the_environment(place: Workplace) -> None:
    (place.root / "train.py").write_text(
        "import os\n"
        "import autofinetune.nni as nni\n"
        "nni.get_next_parameter()\n"
        "before = os.environ.get('AUTOFINETUNE_MODEL_PATH')\n"
        "age = int(open(before + '/age').read()) if before else 0\n"
        "with open(os.environ['AUTOFINETUNE_SAVED_PARAMS_DIR'] + '/age', 'w') as file:\n"
        "    file.write(str(age + 1))\n"
        "nni.report_final_result(age)\n"
    )
    words = (*WORDS[:-1], "--popsize=2", "--round=3", "--seed=1", "--evaluator=populationbased")
    done = place.run(*words)
    assert done.code == 0, done.err
    ages = {"": -1.0}
    for row in rows(place):
        ages[row["trial"]] = float(row["score"])
        assert ages[row["trial"]] == ages[row["parent"]] + 1
    assert max(ages.values()) >= 1


def test_long_parameters_reach_the_script(place: Workplace) -> None:
    words = ["x" * 100_000, "y" * 100_000]
    space = {"text": {"_type": "choice", "_value": words}}
    (place.root / "space.json").write_text(json.dumps(space))
    for package in ("nni", "autofinetune.nni"):
        (place.root / "train.py").write_text(
            f"import os, {package} as nni\n"
            "params = nni.get_next_parameter()\n"
            "assert os.environ['AUTOFINETUNE_PARAMS'] == ''\n"
            "nni.report_final_result(len(params['text']) + (params['text'][0] == 'y'))\n"
        )
        out = f"--output_dir={package}"
        done = place.run(*WORDS, "--popsize=2", out)
        assert done.code == 0, done.err
        assert "The final best eval score is 100001.0." in done.out


def test_a_run_goes_on_and_begins_again_by_the_same_wire(place: Workplace) -> None:
    done = place.run(*WORDS, "--max_seconds=0.001")
    assert done.code == 6
    assert place.run("resume", "result", "--max_seconds=1000").code == 0
    assert logged(place, 3)["words"] == []
    again = place.run("run", "result/config.yaml", "--output_dir=again", "--max_seconds=1000")
    assert again.code == 0, again.err
    assert len(list((place.root / "again/trials").iterdir())) == 4


def test_without_the_option_a_script_gets_options_and_may_ask_nni_too(place: Workplace) -> None:
    (place.root / "train.py").write_text(
        "import argparse\n"
        "import autofinetune.nni as nni\n"
        "parser = argparse.ArgumentParser()\n"
        "for name in ('lr', 'net', 'net.wide.units', 'saved_params_dir', 'model_path'):\n"
        "    parser.add_argument(f'--{name}')\n"
        "known = parser.parse_args()\n"
        "params = nni.get_next_parameter()\n"
        "assert float(known.lr) == params['lr'] and known.net == params['net']['_name']\n"
        "nni.report_final_result({'default': params['lr']})\n"
    )
    done = place.run(*(word for word in WORDS if word != "--nni_wire"), "--evaluator=fulltrail")
    assert done.code == 0, done.err
    assert not (place.root / "result/trials/0/attempt-1/.nni").exists()
