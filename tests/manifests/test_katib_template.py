"""The trial template of a Katib experiment: jobs, containers and commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.errors import ConfigError

from .helpers import KATIB, KATIB_JOB, mistakes, notes, options_of, read, swap


def job(kind: str, spec: str) -> str:
    return KATIB.replace(KATIB_JOB, f"      kind: {kind}\n      spec: {spec}\n")


CONTAINER = ("{name: training, image: i, command: [python3, '${trialParameters.learningRate}'], "
             "resources: {limits: {nvidia.com/gpu: 1}}}")  # fmt: skip
POD = f"template: {{spec: {{containers: [{{name: side, command: [x]}}, {CONTAINER}]}}}}"


def test_replicas_are_the_processes_of_a_trial(tmp_path: Path) -> None:
    spec = f"{{tfReplicaSpecs: {{Worker: {{replicas: 2, {POD}}}, Chief: {{replicas: 1, {POD}}}}}}}"
    options = options_of(tmp_path, job("TFJob", spec))
    assert [(task["type"], task["replicas"]) for task in options["tasks"]] == [
        ("chief", 1), ("worker", 2),
    ]  # fmt: skip
    assert options["tasks"][0]["command"] == ["python3", "${hparam:lr}"]
    assert (options["framework"], options["ranks_per_trial"]) == ("tensorflow", 3)
    assert (options["gpu"], options["gpus_per_trial"]) == ("auto:6", 3)
    told = notes(tmp_path, job("TFJob", spec))
    assert sum("is not run: only the primary container is" in note for note in told) == 2


def test_other_jobs(tmp_path: Path) -> None:
    mpi = f"{{mpiReplicaSpecs: {{Launcher: {{{POD}}}, Worker: {{replicas: 2, {POD}}}}}}}"
    assert options_of(tmp_path, job("MPIJob", mpi))["command"] == ["python3", "${hparam:lr}"]
    assert any("Worker has no effect here: mpirun starts its processes on this machine" in note
               for note in notes(tmp_path, job("MPIJob", mpi)))  # fmt: skip
    train = "{trainer: {numNodes: 2, image: i, command: [python3, x]}}"
    assert options_of(tmp_path, job("TrainJob", train))["ranks_per_trial"] == 2
    paddle = f"{{paddleReplicaSpecs: {{Worker: {{replicas: 2, {POD}}}}}}}"
    (mistake,) = mistakes(tmp_path, job("PaddleJob", paddle))
    assert "PaddleJob with several replicas is not supported" in mistake
    (mistake,) = mistakes(tmp_path, job("Workflow", "{}"))
    assert "trialSpec.kind 'Workflow' is not supported; use one of: Job, PyTorchJob" in mistake


def with_env(value: str) -> str:
    env = f"                env: [{{name: A, value: '{value}'}}]\n                command:\n"
    return swap(KATIB, "                command:\n", env)


def test_words_and_variables(tmp_path: Path) -> None:
    more = "      - {name: kind, reference: '${trialSpec.Kind}'}\n"
    more += "      - {name: who, reference: '${trialSpec.Name}'}\n"
    named = swap(KATIB, "    trialSpec:", f"{more}    trialSpec:")
    env = "                env: [{name: A, value: '${trialParameters.kind}-x'}]\n"
    text = swap(named, "                command:\n", env + "                command:\n")
    text = swap(text, "--lr=$", "--who=${trialParameters.who}:$(A):${args}:$")
    options = options_of(tmp_path, text)
    assert options["env"] == ["A=Job-x"]
    assert options["command"][2] == "--who=momentum:Job-x:$${args}:${hparam:lr}"
    (mistake,) = mistakes(tmp_path, with_env("${trialParameters.optimizer}"))
    assert "is a hyperparameter, which can be used only in the command" in mistake
    (mistake,) = mistakes(tmp_path, swap(KATIB, "Parameters.optimizer}", "Parameters.optimiser}"))
    assert "is not among trialParameters (did you mean 'optimizer'?)" in mistake


def test_where_the_script_lies(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, KATIB, check_files=True)
    (mistake,) = caught.value.mistakes
    assert "'/opt/momentum/train.py' of the image exam" in mistake
    assert caught.value.tip == (
        "put train.py next to this file, or give the path of the script: autofinetune "
        f"<directory>/train.py --param_file={tmp_path}/m.yaml --gpu=auto"
    )
    (tmp_path / "train.py").touch()
    manifest = read(tmp_path, KATIB, check_files=True)
    assert manifest.options["command"][1] == "train.py"
    assert any("train.py next to this file is used" in note for note in manifest.notes)
