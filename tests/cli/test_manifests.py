"""`autofinetune run` on manifests of other tools, from the file to the last trial."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from autofinetune.cli.lineage import read_state
from autofinetune.core.state import State
from autofinetune.core.status import Status
from autofinetune.space import read_yaml
from autofinetune.store.paths import RunPaths
from tests.manifests.helpers import AUTOTUNE, EXAMPLES, NNI_2, SWEEP, swap

from .conftest import Done, Workplace

# Records its input and reports a score.
TELL = """
import json, os, sys
import autofinetune
names = ("AUTOFINETUNE_PARAMS", "AUTOFINETUNE_PARAMS_FILE", "AUTOFINETUNE_SAVED_PARAMS_DIR",
         "AUTOFINETUNE_MODEL_PATH", "TF_CONFIG", "AUTOFINETUNE_RANK", "OWN", "RANK",
         "DMLC_TASK_ID", "CUDA_VISIBLE_DEVICES")
given = {"argv": sys.argv, "cwd": os.getcwd(), **{name: os.environ.get(name) for name in names}}
trial, rank = os.environ["AUTOFINETUNE_TRIAL"], os.environ.get("AUTOFINETUNE_RANK", "0")
with open(os.environ["LEDGER"] + f".{trial}.{rank}", "w") as file:
    json.dump(given, file)
if os.environ["AUTOFINETUNE_PARAMS"]:
    value = sum(v for v in json.loads(os.environ["AUTOFINETUNE_PARAMS"]).values()
                if isinstance(v, (int, float)))
    autofinetune.report_final_result(value + 1000 * int(rank))
"""


def given(workplace: Workplace, trial: int = 0, rank: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((workplace.root / f"ledger.{trial}.{rank}").read_text())
    return found


def run(workplace: Workplace, text: str, *words: str, name: str = "m.yaml") -> Done:
    (workplace.root / name).write_text(text, encoding="utf-8")
    (workplace.root / "tell.py").write_text(TELL)
    words = (*words, *([] if "--gpu" in " ".join(words) else ["--gpu=cpu:2"]))
    return workplace.run("run", name, "--output_dir=result", *words)


def state_of(workplace: Workplace) -> State:
    return read_state(str(workplace.root / "result"))


def autotune(script: str = "tell.py", **fields: object) -> str:
    text = swap(swap(AUTOTUNE, "dist_mnist.py", script), "- python3\n", f"- {sys.executable}\n")
    for name, value in fields.items():
        (line,) = (line for line in text.splitlines() if line.startswith(f"  {name}: "))
        text = swap(text, line, f"  {name}: {value}")
    return text


# --- AutoTuneExperiment -------------------------------------------------------------------------


def test_the_documented_manifest_runs_as_written(workplace: Workplace) -> None:
    """It tries all 20 configurations of its space, three at a time, and is then DONE."""
    folder = EXAMPLES / "autotune_experiment"
    done = workplace.run("run", str(folder / "experiment.yaml"), "--output_dir=result")
    assert done.code == 0, done.err
    state = state_of(workplace)
    assert state.counts[Status.COMPLETED] == 20
    assert state.best is not None
    assert state.best.params == {"batch_size": 2048, "learning_rate": 0.01}
    assert state.config["max_trials"] == 50
    assert state.config["direction"] == "minimize"
    assert "every configuration of the search space was tried" in done.out
    assert done.err.splitlines()[0].endswith("experiment.yaml:6:3 metadata has no effect here")
    status = workplace.run("status", "result")
    assert status.out.splitlines()[0].startswith("DONE")


@pytest.mark.parametrize("is_active", [False, True])
def test_python3_is_that_of_the_virtual_environment(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, is_active: bool
) -> None:
    """It is ours if none is activated; if ours is on PATH, the order of PATH decides."""
    other = workplace.root / "other"
    other.mkdir()
    (other / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@" --other\n')
    (other / "python3").chmod(0o755)
    own = [str(Path(sys.prefix, "bin"))] if is_active else []
    monkeypatch.setenv("PATH", ":".join((str(other), *own, "/usr/bin", "/bin")))
    manifest = swap(AUTOTUNE, "dist_mnist.py", "tell.py")
    assert run(workplace, swap(manifest, "maxTrialNum: 50", "maxTrialNum: 1")).code == 0
    assert (given(workplace)["argv"][-1] == "--other") == is_active


def test_a_trial_gets_its_hyperparameters_in_the_environment(workplace: Workplace) -> None:
    done = run(workplace, autotune(maxTrialNum=2))
    assert done.code == 0
    assert "tell.py appears to have no option parser" in done.out
    model = str(RunPaths(workplace.root / "result").model(0, 0))
    found = given(workplace)
    assert found["argv"] == ["tell.py"]
    assert json.loads(found["AUTOFINETUNE_PARAMS"]) == state_of(workplace).trials[0].params
    assert found["AUTOFINETUNE_PARAMS_FILE"] == found["AUTOFINETUNE_MODEL_PATH"] == ""
    assert found["AUTOFINETUNE_SAVED_PARAMS_DIR"] == model


def test_a_script_that_nobody_asks_gets_all_hyperparameters(workplace: Workplace) -> None:
    assert run(workplace, autotune(maxTrialNum=1), "--skip_preflight").code == 0
    params = state_of(workplace).trials[0].params
    assert given(workplace)["argv"] == ["tell.py", *(f"--{k}={v}" for k, v in params.items())]


def test_a_script_that_declares_the_model_options_gets_them(workplace: Workplace) -> None:
    (workplace.root / "own.py").write_text(
        "import argparse, autofinetune, os\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--saved_params_dir')\n"
        "parser.add_argument('--batch_size')\n"
        "parser.add_argument('--learning_rate')\n"
        "args = parser.parse_args()\n"
        "open(os.path.join(args.saved_params_dir, 'weights'), 'w').close()\n"
        "autofinetune.report_final_result(1)\n"
    )
    assert run(workplace, autotune("own.py", maxTrialNum=1)).code == 0
    assert (workplace.root / "result/best_model/weights").exists()


def test_a_script_gets_no_hyperparameter_for_which_it_has_no_option(workplace: Workplace) -> None:
    """Like scripts for t9k.tuner, which get them by a call."""
    (workplace.root / "own.py").write_text(
        "import argparse\nparser = argparse.ArgumentParser()\n"
        "parser.add_argument('--batch_size')\nparser.add_argument('--no_cuda')\n"
        "parser.parse_args()\n" + TELL
    )
    done = run(workplace, autotune("own.py", maxTrialNum=1))
    assert done.code == 0, done.err
    assert "own.py has no --learning_rate; it can read its hyperparameters from wandb" in done.out
    params = state_of(workplace).trials[0].params
    assert given(workplace)["argv"] == ["own.py", f"--batch_size={params['batch_size']}"]
    plan = workplace.run("run", "m.yaml", "--dry-run", "--output_dir=other")
    assert "note: a trial gets only those of these options that --help of its" in plan.out


def test_a_volume_is_a_directory_of_this_machine(workplace: Workplace) -> None:
    line = "cd /t9k/mnt && python3 tell.py --log=/t9k/mnt/log /t9k/mnt2 > /t9k/mnt/out"
    volumes = "volumes: [{name: data, persistentVolumeClaim: {claimName: claim}}]\n"
    text = swap(autotune(maxTrialNum=1), "containers:\n", f"{volumes}{' ' * 12}containers:\n")
    mounts = "volumeMounts: [{name: data, mountPath: /t9k/mnt}]\n"
    text = swap(text, "workingDir: .", f"{mounts}{' ' * 16}workingDir: /t9k/mnt/sub")
    words = f"- {sys.executable}\n                  - tell.py\n"
    text = swap(text, words, f"- sh\n                  - -c\n                  - {line}\n")
    (workplace.root / "there/sub").mkdir(parents=True)
    (workplace.root / "there/tell.py").write_text(TELL)
    done = run(workplace, text, "--volume=claim=there")
    assert done.code == 0, done.err
    found = given(workplace)
    assert found["argv"] == ["tell.py", f"--log={workplace.root}/there/log", "/t9k/mnt2"]
    assert (workplace.root / "there/out").exists()
    wrong = workplace.run(
        "run", "m.yaml", "--gpu=cpu", "--volume=dat=there", "--volume=data=there"
    )
    assert wrong.code == 2
    assert "--volume=dat=...: there is no volume 'dat'; there are: claim, data" in wrong.err
    for volume, why in (("data", "is not of the form NAME=DIR"), ("data=no", "no directory")):
        wrong = workplace.run("run", "m.yaml", "--gpu=cpu", f"--volume={volume}")
        assert wrong.code == 2
        assert f"--volume={volume}" in wrong.err
        assert why in wrong.err


def test_the_command_line_says_where_trials_run(workplace: Workplace) -> None:
    (workplace.root / "there").mkdir()
    (workplace.root / "there/tell.py").write_text(TELL)
    text = swap(autotune(maxTrialNum=1), "workingDir: .", "workingDir: /t9k/mnt")
    done = run(workplace, text, "--working_dir=there")
    assert done.code == 0, done.err
    assert given(workplace)["cwd"] == str(workplace.root / "there")
    again = workplace.run("run", "result/config.yaml", "--working_dir=.", "--output_dir=again")
    assert again.code == 0, again.err
    assert given(workplace)["cwd"] == str(workplace.root)
    wrong = workplace.run("run", "m.yaml", "--working_dir=none")
    assert wrong.code == 2
    assert "--working_dir=none: there is no such directory" in wrong.err


def test_a_script_runs_where_the_command_line_says(workplace: Workplace) -> None:
    (workplace.root / "there").mkdir()
    done = workplace.tune("--working_dir=there", "--round=1", "--popsize=1", "--gpu=cpu")
    assert done.code == 0, done.err
    config = state_of(workplace).config
    assert config["working_dir"] == str(workplace.root / "there")
    wrong = workplace.tune("--volume=a=b")
    assert wrong.code == 2
    assert "--volume=a=b is for the volumes of an AutoTuneExperiment" in wrong.err


def test_pbt_continues_models_in_an_experiment_too(workplace: Workplace) -> None:
    """By directories among the parameters, although the script has no option for them."""
    (workplace.root / "own.py").write_text(
        "import json, os\nimport autofinetune\n"
        "params = json.loads(os.environ['AUTOFINETUNE_PARAMS'])\n"
        "load = os.path.join(params['load_checkpoint_dir'], 'age')\n"
        "age = int(open(load).read()) + 1 if os.path.exists(load) else 0\n"
        "with open(os.path.join(params['save_checkpoint_dir'], 'age'), 'w') as file:\n"
        "    file.write(str(age))\n"
        "autofinetune.report_final_result(age)\n"
    )
    text = swap(autotune("own.py", maxTrialNum=4), "TPE", "PBTTuner")
    text = swap(text, '"constant_liar_type": "min"', '"population_size": 1')
    done = run(workplace, swap(text, '"minimize"', '"maximize"'), "--gpu=cpu:1")
    assert done.code == 0, done.err
    trials = state_of(workplace).trials
    for trial in trials.values():
        before = -1 if trial.parent is None else trials[trial.parent].score
        assert before is not None
        assert trial.score == before + 1
    assert trials[3].score is not None
    assert trials[3].score > 1
    assert trials[1].params.keys() == {"batch_size", "learning_rate"}


def test_the_number_of_trials_is_exact(workplace: Workplace) -> None:
    done = run(workplace, autotune(maxTrialNum=4))
    assert done.code == 0
    assert "4 trials by tpe" in done.out
    assert len(state_of(workplace).trials) == 4
    assert workplace.run("status", "result").out.splitlines()[1].startswith("4 of 4 trials")


def test_the_time_of_a_manifest_ends_it(workplace: Workplace) -> None:
    done = run(workplace, autotune(maxExecSeconds=0.001))
    assert done.code == 6
    assert workplace.run("status", "result").out.startswith("TIMEOUT")


@pytest.mark.parametrize(
    "words", [(), ("--max_trials=2",), ("--round=2",), ("--max_seconds=9",), ("--target_score=1",)]
)
def test_that_a_run_has_no_end_is_told_unless_the_command_line_has_one(
    workplace: Workplace, words: tuple[str, ...]
) -> None:
    text = swap(nni(f"{sys.executable} tell.py"), "maxTrialNumber: 10\n", "")
    done = run(workplace, text, "--dry-run", *words)
    assert done.code == 0, done.err
    assert ("the run continues until you stop it" in done.out + done.err) is not bool(words)


def test_options_of_the_command_line_go_first(workplace: Workplace) -> None:
    options = ("--max_trials=2", "--tuning_strategy=random", "--direction=maximize", "--seed=4")
    assert run(workplace, autotune(), *options).code == 0
    config = state_of(workplace).config
    assert config["tuning_strategy"] == "random"
    assert (config["max_trials"], config["direction"], config["seed"]) == (2, "maximize", 4)
    assert config["strategy_options"] == {}
    refused = workplace.run("run", "m.yaml", "--round=2", "--max_trials=3")
    assert refused.code == 2
    assert "--round=2 and --max_trials=3 both set the length of the run" in refused.err


def test_a_mistake_ends_it_before_anything_is_written(workplace: Workplace) -> None:
    done = run(workplace, autotune(maxTrialNum="many"))
    assert done.code == 2
    assert "m.yaml:9:16 spec.maxTrialNum must be a whole number" in done.err
    assert not (workplace.root / "result").exists()
    done = run(workplace, "kind: Deployment\n")
    assert done.code == 2
    assert "m.yaml:1:1 not the config.yaml of a run" in done.err
    done = run(workplace, "method: random\nparameters: {lr: {min: 0.1, max: 0.2}}\n")
    assert done.code == 2
    assert "m.yaml:1:1 neither program nor command says what a trial runs" in done.err
    assert "autofinetune train.py --param_file=m.yaml --gpu=auto" in done.err


def test_options_of_the_command_line_go_beside_those_of_the_manifest(
    workplace: Workplace,
) -> None:
    words = ("--strategy_options=n_ei_candidates=10", "--dry-run")
    assert run(workplace, autotune(), *words).code == 0
    assert run(workplace, autotune(maxTrialNum=1), words[0]).code == 0
    told = (workplace.root / "result" / "config.yaml").read_text()
    assert "constant_liar_type: min" in told
    assert 'n_ei_candidates: "10"' in told


def test_what_asks_for_cards_runs_as_many_trials_without(workplace: Workplace) -> None:
    text = swap(autotune(), "imagePullPolicy: IfNotPresent",
                "resources: {limits: {nvidia.com/gpu: 2}}")  # fmt: skip
    (workplace.root / "tell.py").write_text(TELL)
    (workplace.root / "m.yaml").write_text(text)
    workplace.env["CUDA_VISIBLE_DEVICES"] = ""
    done = workplace.run("run", "m.yaml", "--output_dir=result", "--dry-run")
    assert done.code == 0, done.err
    assert "on 3 slots" in done.out


def test_a_program_that_is_not_there_is_told(workplace: Workplace) -> None:
    done = run(workplace, swap(autotune(), sys.executable, "no-such-python"))
    assert done.code == 2
    told = (
        r"m.yaml:\d+:19 spec.*command: the program 'no-such-python' of the command was not found "
    )
    told += r"\(PATH was searched\)"
    assert re.search(told, done.err)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("TPE", "Batch", r"m.yaml:\d+:23 spec.tuner.builtinTunerName: the strategy batch has no "
                         r"list .*: learning_rate"),
    ],
)  # fmt: skip
def test_what_only_the_run_finds_wrong_is_told_with_its_line(
    workplace: Workplace, old: str, new: str, told: str
) -> None:
    (workplace.root / "tell.py").write_text(TELL)
    choices = '"choice", "_value": [0.0001, 0.001, 0.01, 0.1]'
    text = swap(autotune(), choices, '"uniform", "_value": [0.0001, 0.1]')
    (workplace.root / "m.yaml").write_text(swap(text, old, new))
    done = workplace.run("run", "m.yaml", "--output_dir=result")
    assert done.code == 2
    assert re.search(told, done.err), done.err
    assert not (workplace.root / "result").exists()


def test_cards_that_cannot_be_divided_so_are_told_with_the_line(workplace: Workplace) -> None:
    (workplace.root / "m.yaml").write_text(
        "trialConcurrency: 1\nmaxTrialNumber: 3\ntrialCommand: python3 tell.py\n"
        "trialGpuNumber: 64\nsearchSpace: {x: {_type: uniform, _value: [0, 1]}}\n"
        "tuner: {name: Random}\ntrainingService: {platform: local, gpuIndices: [0]}\n"
    )
    done = workplace.run("run", "m.yaml", "--output_dir=result")
    assert done.code == 2
    assert "m.yaml:4:17 trialGpuNumber: --gpus_per_trial=64: the 1 device of --gpu=0" in done.err


def tasks(framework: str, *kinds: tuple[str, int, str]) -> str:
    head, tail = autotune(maxTrialNum=1).split("    type: tensorflow\n")
    lines = [f"    type: {framework}", "    tasks:"]
    for kind, replicas, command in kinds:
        lines += [
            f"      - type: {kind}", f"        replicas: {replicas}",
            "        template: {spec: {containers: [{command: " + command + ","
            " env: [{name: OWN, value: " + kind + "}]}]}}",
        ]  # fmt: skip
    return head + "\n".join(lines) + "\n  tuner:" + tail.split("  tuner:")[1]


def test_tasks_of_tensorflow(workplace: Workplace) -> None:
    tell, wait = f"[{sys.executable}, tell.py]", "[sh, -c, exec sleep 1000]"
    done = run(workplace, tasks("tensorflow", ("ps", 1, wait), ("worker", 2, tell),
                                ("chief", 1, tell)))  # fmt: skip
    assert done.code == 0, done.err + done.out
    each = [given(workplace, rank=rank) for rank in range(3)]
    config = [json.loads(one["TF_CONFIG"]) for one in each]
    assert [one["task"] for one in config] == [
        {"type": "chief", "index": 0}, {"type": "worker", "index": 0},
        {"type": "worker", "index": 1},
    ]  # fmt: skip
    assert {kind: len(hosts) for kind, hosts in config[0]["cluster"].items()} == {
        "chief": 1, "worker": 2, "ps": 1,
    }  # fmt: skip
    assert [one["OWN"] for one in each] == ["chief", "worker", "worker"]
    best = state_of(workplace).best
    assert best is not None
    params = json.loads(each[0]["AUTOFINETUNE_PARAMS"])
    # Only the chief's report counts: a worker's is 1000 more.
    assert best.score == params["batch_size"] + params["learning_rate"]


def test_each_task_gets_the_options_that_its_script_declares(workplace: Workplace) -> None:
    (workplace.root / "has.py").write_text(
        "import argparse\np = argparse.ArgumentParser()\n"
        "[p.add_argument(f'--{n}') for n in ('batch_size', 'learning_rate', 'saved_params_dir')]\n"
        "p.parse_args()\n" + TELL
    )
    (workplace.root / "lacks.py").write_text(
        "import argparse\np = argparse.ArgumentParser()\n"
        "[p.add_argument(f'--{n}') for n in ('batch_size', 'learning_rate')]\n"
        "p.parse_args()\n" + TELL
    )
    has, lacks = f"[{sys.executable}, has.py]", f"[{sys.executable}, lacks.py]"
    done = run(workplace, tasks("tensorflow", ("worker", 1, lacks), ("chief", 1, has)))
    assert done.code == 0, done.err + done.out
    words = [" ".join(given(workplace, rank=rank)["argv"]) for rank in range(2)]
    assert ["--saved_params_dir=" in line for line in words] == [True, False]


def test_only_the_first_reports_also_by_lines_in_the_file(workplace: Workplace) -> None:
    (workplace.root / "lines.py").write_text(
        "import os, time\nrank = int(os.environ['RANK'])\n"
        "open(f'there-{rank}', 'w').close()\n"
        "while rank and not os.path.exists('there-0'): time.sleep(0.01)\n"
        "with open(os.environ['AUTOFINETUNE_REPORT_FILE'], 'a') as file:\n"
        "    file.write('{\"final\": %d}\\n' % (5 + rank))\n"
    )
    done = run(workplace, tasks("pytorch", ("worker", 3, f"[{sys.executable}, lines.py]")))
    assert done.code == 0, done.err + done.out
    best = state_of(workplace).best
    assert best is not None
    assert best.score == 5


def test_a_container_has_its_own_variables_when_it_is_asked(workplace: Workplace) -> None:
    """For the place of its program, and for its imports."""
    library = workplace.root / "lib"
    library.mkdir()
    (library / "mine.py").write_text("import argparse\nparser = argparse.ArgumentParser()\n")
    program = library / "mytool"
    program.write_text(
        f"#!{sys.executable}\nfrom mine import parser\n"
        "[parser.add_argument(f'--{n}') for n in ('batch_size', 'learning_rate')]\n"
        "parser.add_argument('--saved_params_dir', required=True)\n"
        "parser.parse_args()\n" + TELL
    )
    program.chmod(0o755)
    env = f"env: [{{name: PATH, value: {library}}}, {{name: PYTHONPATH, value: {library}}}]"
    text = swap(autotune(maxTrialNum=1), f"- {sys.executable}\n", "- mytool\n")
    text = swap(text, "                  - tell.py\n", "")
    done = run(workplace, swap(text, "imagePullPolicy: IfNotPresent", env))
    assert done.code == 0, done.err + done.out
    assert "--saved_params_dir=" in given(workplace)["argv"][-1]


@pytest.mark.parametrize(
    ("framework", "variable"), [("pytorch", "RANK"), ("xgboost", "DMLC_TASK_ID")]
)
def test_replicas_of_other_frameworks(workplace: Workplace, framework: str, variable: str) -> None:
    tell = f"[{sys.executable}, tell.py]"
    done = run(workplace, tasks(framework, ("worker", 1, tell), ("master", 1, tell)))
    assert done.code == 0, done.err + done.out
    each = [given(workplace, rank=rank) for rank in range(2)]
    assert [one[variable] for one in each] == ["0", "1"]
    assert [one["OWN"] for one in each] == ["master", "worker"]
    refused = workplace.run("run", "m.yaml", "--gpu=cpu:2", "--ranks_per_trial=3")
    assert refused.code == 2
    assert "--ranks_per_trial=3: the tasks of a trial have 2 processes" in refused.err


# --- NNI ----------------------------------------------------------------------------------------


def nni(command: str) -> str:
    return "trialGpuNumber: 0\n" + swap(NNI_2, "python3 mnist.py", command)


def test_a_trial_of_nni_gets_no_options(workplace: Workplace) -> None:
    assert run(workplace, nni(f"{sys.executable} tell.py 'a b'"), "--max_trials=3").code == 0
    found = given(workplace, 2)
    assert found["argv"] == ["tell.py", "a b"]
    assert found["CUDA_VISIBLE_DEVICES"] == ""
    assert json.loads(found["AUTOFINETUNE_PARAMS"]) == state_of(workplace).trials[2].params


def test_a_line_for_a_shell_is_run_by_bash(workplace: Workplace) -> None:
    (workplace.root / "sub").mkdir()
    (workplace.root / "sub/tell.py").write_text(TELL)
    line = f"cd sub && {sys.executable} tell.py $HOME"
    assert run(workplace, nni(line), "--max_trials=1").code == 0
    found = given(workplace)
    assert found["argv"] == ["tell.py", str(workplace.root)]
    assert found["cwd"] == str(workplace.root / "sub")
    refused = workplace.run("run", "m.yaml", "--output_dir=other", "--", "--epochs=3")
    assert refused.code == 2
    assert "nothing can be added to the command, which is a shell line" in refused.err


def test_it_goes_on_with_the_same_command(workplace: Workplace) -> None:
    hold = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    (workplace.root / "slow.py").write_text(hold + TELL)
    (workplace.root / "m.yaml").write_text(nni(f"{sys.executable} slow.py x"))
    process = workplace.start("run", "m.yaml", "--output_dir=result", "--max_trials=3")
    assert process.stdout is not None
    while not (workplace.root / "result/trials/0/attempt-1/started.json").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (workplace.root / "go").touch()
    assert workplace.run("resume", "result").code == 0
    assert [given(workplace, trial)["argv"] for trial in range(3)] == [["slow.py", "x"]] * 3


# --- W&B ----------------------------------------------------------------------------------------


def sweep(*command: str) -> str:
    words = json.dumps([sys.executable, "tell.py", *command])
    return swap(SWEEP, "program: train.py\n", f"command: {words}\n")


def test_macros_are_what_a_trial_gets(workplace: Workplace) -> None:
    text = sweep("${args_no_hyphens}", "${args_json_file}", "${envvar:HOME}", "${args_json}")
    assert run(workplace, text, "--max_trials=2").code == 0
    found, params = given(workplace, 1), state_of(workplace).trials[1].params
    _, rate, layers, file, home, whole = found["argv"]
    assert [rate, layers] == [f"{name}={value}" for name, value in params.items()]
    assert json.loads(Path(file).read_text()) == json.loads(whole) == params
    assert found["AUTOFINETUNE_PARAMS_FILE"] == file
    assert home == str(workplace.root)


def test_hyperparameters_too_large_for_a_variable_are_in_a_file(workplace: Workplace) -> None:
    text = swap(sweep(), "[1, 2, 3]", json.dumps(["x" * 70_000]))
    done = run(workplace, text, "--max_trials=1")
    assert done.code == 3  # tell.py needs the variable to report
    found = given(workplace)
    assert found["AUTOFINETUNE_PARAMS"] == ""
    params = json.loads(Path(found["AUTOFINETUNE_PARAMS_FILE"]).read_text())
    assert params["layers"] == "x" * 70_000


def test_a_target_ends_the_run(workplace: Workplace) -> None:
    text = swap(sweep(), "{name: loss}", "{name: loss, target: 1000}")
    assert run(workplace, text, "--gpu=cpu:1").code == 0
    assert len(state_of(workplace).trials) == 1
    assert workplace.run("status", "result").out.splitlines()[0] == (
        "DONE: a score reached --target_score"
    )
    assert workplace.run("resume", "result").code == 0
    assert len(state_of(workplace).trials) == 1


# --- searches for a script ----------------------------------------------------------------------


def test_the_search_of_a_sweep_counts_for_a_script(workplace: Workplace) -> None:
    text = swap(SWEEP, "{name: loss}", "{name: loss, goal: minimize}")
    (workplace.root / "sweep.yaml").write_text(text)
    words = ("train.py", "--param_file=sweep.yaml", "--gpu=cpu:1", "--dry-run")
    done = workplace.run(*words)
    assert done.code == 0, done.err
    assert "5 trials by random, fulltrail" in done.out
    assert (
        "note: sweep.yaml gives --evaluator=fulltrail --tuning_strategy=random --metric=loss "
        "--direction=minimize --max_trials=5; options of the command line take precedence"
    ) in done.err
    assert "only the parameters of the sweep are read" not in done.err + done.out
    other = workplace.run(*words, "--tuning_strategy=tpe", "--round=2", "--direction=maximize")
    assert "2 rounds of 5 trials by tpe" in other.out
    assert "--direction" not in other.err


def test_what_is_wrong_in_a_search_is_told_with_its_line(workplace: Workplace) -> None:
    (workplace.root / "sweep.yaml").write_text(swap(SWEEP, "random", "custom"))
    done = workplace.run("train.py", "--param_file=sweep.yaml", "--gpu=cpu:1", "--dry-run")
    assert done.code == 2
    assert "sweep.yaml:2:9 method custom is a search by your own code" in done.err
    assert (
        "TIP   to run it anyway: autofinetune train.py --param_file=sweep.yaml --gpu=cpu:1 "
        "--dry_run --tuning_strategy=tpe"
    ) in done.err


@pytest.mark.parametrize(
    ("example", "trials"),
    [("hydra_optuna/conf/config.yaml", 12), ("katib_experiment/experiment.yaml", 8)],
)
def test_an_example_gives_its_search_to_a_script(
    elsewhere: Workplace, example: str, trials: int
) -> None:
    script = EXAMPLES / example.split("/")[0] / "train.py"
    words = (str(script), f"--param_file={EXAMPLES / example}", "--gpu=cpu:2", "--seed=1")
    done = elsewhere.run(*words, "--dry-run", "--skip-preflight")
    assert done.code == 0, done.err
    assert f"{trials} trials by tpe, fulltrail, seed 1" in done.out
    if example.startswith("hydra"):
        done = elsewhere.run(*words, "--max_trials=3", "--output_dir=result")
        assert done.code == 0, done.err
        assert state_of(elsewhere).counts[Status.COMPLETED] == 3


def test_katib_is_not_taken_for_another_kind(workplace: Workplace) -> None:
    (workplace.root / "m.yaml").write_text("kind: Experiment\nspec: 3\n")
    done = workplace.run("run", "m.yaml")
    assert done.code == 2
    assert "Katib experiment" in done.err
    assert "did you mean" not in done.err


# --- all of them --------------------------------------------------------------------------------

RUNS = {
    "autotune_experiment/experiment.yaml": 50,
    "nni_config_v1/config.yml": 6,
    "nni_config_v2/config.yml": 7,
    "wandb_sweep/sweep.yaml": 6,
    "katib_experiment/experiment.yaml": 8,
}


@pytest.fixture
def elsewhere(workplace: Workplace) -> Workplace:
    """A directory without its own train.py."""
    (workplace.root / "train.py").unlink()
    (workplace.root / "hparam.yaml").unlink()
    return workplace


@pytest.mark.parametrize("example", RUNS)
def test_an_example_runs_and_its_config_runs_again(elsewhere: Workplace, example: str) -> None:
    words = ("--max_trials=3", "--gpu=cpu:2", "--output_dir=result")
    done = elsewhere.run("run", str(EXAMPLES / example), *words)
    assert done.code == 0, done.err
    first = state_of(elsewhere)
    assert first.counts[Status.COMPLETED] + first.counts[Status.STOPPED] == 3
    again = elsewhere.run("run", "result/config.yaml", "--output_dir=again", "--seed=3")
    assert again.code == 0, again.err
    second = read_state(str(elsewhere.root / "again")).config
    kept = first.config.keys() - {"seed"}
    assert {key: second[key] for key in kept} == {key: first.config[key] for key in kept}


@pytest.mark.parametrize(("example", "trials"), RUNS.items())
def test_an_example_converts_to_a_config_that_says_the_same(
    elsewhere: Workplace, example: str, trials: int
) -> None:
    source, config = str(EXAMPLES / example), str(elsewhere.root / "config.yaml")
    assert elsewhere.run("convert", source, f"--out={config}").code == 0
    described = read_yaml(Path(config)).value
    assert described["max_trials"] == trials
    plan = ("--dry_run", "--seed=1", "--gpu=cpu:1", f"--output_dir={elsewhere.root}/result")
    here = Workplace(Path(source).parent, elsewhere.nursery)  # where the program of a sweep is
    first, second = here.run("run", source, *plan), here.run("run", config, *plan)
    assert first.code == second.code == 0, (first.err, second.err)
    assert first.out == second.out
    assert "first commands:" in first.out
    assert elsewhere.run("convert", source, "--space", "--out=hparam.yaml").code == 0
    space = read_yaml(elsewhere.root / "hparam.yaml").value
    assert space == {"param_list": described["param_list"]}


def test_secrets_of_a_manifest_are_not_kept(workplace: Workplace) -> None:
    env = "              - env: [{name: API_KEY, value: abcdef}]\n                command:\n"
    text = swap(autotune(maxTrialNum=1), "              - command:\n", env)
    assert run(workplace, text).code == 0
    config = (workplace.root / "result/config.yaml").read_text()
    assert "abcdef" not in config
    assert "API_KEY=***" in config
    refused = workplace.run("run", "result/config.yaml", "--output_dir=again")
    assert refused.code == 2
    assert "the value of API_KEY is not stored in the file" in refused.err
    assert (workplace.root / "result/run.db").stat().st_mode & 0o77 == 0


def test_another_kind_of_manifest_is_told_which_there_are(workplace: Workplace) -> None:
    (workplace.root / "m.yaml").write_text("kind: AutoTuneExperimen\nspec: {}\n")
    done = workplace.run("run", "m.yaml")
    assert done.code == 2
    assert "nor is it one of: AutoTuneExperiment, " in done.err
    assert "did you mean 'AutoTuneExperiment'" in done.err
