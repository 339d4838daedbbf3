"""Katib experiments: every field, what is run, and the notes about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autofinetune.errors import ConfigError
from autofinetune.manifests import read_manifest, read_search

from .helpers import KATIB, mistakes, notes, read, swap

JOB = KATIB[KATIB.index("      apiVersion: batch/v1") :]


def options_of(folder: Path, text: str) -> dict[str, Any]:
    return dict(read(folder, text).options)


def test_an_experiment(tmp_path: Path) -> None:
    options = options_of(tmp_path, KATIB)
    assert [entry["name"] for entry in options.pop("param_list")] == ["lr", "layers", "optimizer"]
    assert options == {
        "evaluator": "fulltrail",
        "max_trials": 8,
        "direction": "minimize",
        "target_score": 0.0001,
        "final": "best",
        "metric_pattern": r"(?<![\w|-])loss\s*=\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[Ee][+-]?\d+)?)",
        "tuning_strategy": "tpe",
        "strategy_options": {},
        "seed": 7,
        "assessor": "medianstop",
        "assessor_options": {"min_completed": "3", "start_step": "2"},
        "max_parallel": 2,
        "popsize": 2,
        "gpu": "auto:2",
        "working_dir": str(tmp_path),
        "command": ["python3", "/opt/momentum/train.py", "--lr=${hparam:lr}",
                    "--num-layers=${hparam:layers}", "--optimizer=${hparam:optimizer}"],
        "env": [],
    }  # fmt: skip


def test_what_is_told(tmp_path: Path) -> None:
    told = notes(tmp_path, KATIB)
    assert any("trialSpec.spec runs on this machine, not in the image example.org/momentum:lat"
               in note for note in told)  # fmt: skip
    assert any("maxFailedTrialCount has no effect here: --max_failures" in note for note in told)
    assert len(told) == 2


# --- the score ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "final"), [("min", "best"), ("latest", "last"), ("max", None)]
)
def test_the_strategy_of_the_metric(tmp_path: Path, strategy: str, final: str | None) -> None:
    line = f"metricStrategies: [{{name: other, value: max}}, {{name: loss, value: {strategy}}}]"
    text = swap(KATIB, "  algorithm:", f"    {line}\n  algorithm:")
    if final:
        assert options_of(tmp_path, text)["final"] == final
        return
    (mistake,) = mistakes(tmp_path, text)
    assert "metricStrategies[1].value 'max' does not fit minimize; use min" in mistake
    assert read_manifest(tmp_path / "m.yaml", check_files=False, given={"final": "best"})


def collected(folder: Path, spec: str) -> dict[str, Any]:
    return options_of(folder, KATIB + f"  metricsCollectorSpec: {spec}\n")


def test_collectors(tmp_path: Path) -> None:
    own = "{source: {filter: {metricsFormat: ['(\\w+): (\\d+)']}}}"
    assert collected(tmp_path, own)["metric_pattern"] == r"(?<![\w|-])loss: (\d+)"
    events = collected(tmp_path, "{collector: {kind: TensorFlowEvent}}")
    assert events["metric"] == "loss"
    assert "metric_pattern" not in events
    file = "{collector: {kind: File}, source: {fileSystemPath: {path: /log, kind: File}}}"
    options = collected(tmp_path, file)
    assert options["metric"] == "loss"
    assert "loss" in options["metric_pattern"]
    told = notes(tmp_path, KATIB + f"  metricsCollectorSpec: {file}\n")
    assert any("collector '/log' is not read: the score is what the script prints" in note
               for note in told)  # fmt: skip
    for kind in ("None", "Push"):
        text = KATIB + f"  metricsCollectorSpec: {{collector: {{kind: {kind}}}}}\n"
        assert any(f"kind {kind} collects nothing here" in note for note in notes(tmp_path, text))


# --- the search ---------------------------------------------------------------------------------


def by(algorithm: str, *settings: str) -> str:
    inside = "".join(f"\n      - {{{one}}}" for one in settings)
    start, end = KATIB.index("    algorithmName: tpe"), KATIB.index("  earlyStopping:")
    setting = f"    algorithmSettings:{inside}\n" if settings else ""
    return KATIB[:start] + f"    algorithmName: {algorithm}\n{setting}" + KATIB[end:]


@pytest.mark.parametrize(
    ("algorithm", "strategy", "told"),
    [
        ("random", "random", ""),
        ("bayesianoptimization", "gp", ""),
        ("cmaes", "hazero", ""),
        ("sobol", "random", "optuna:QMCSampler"),
        ("multivariate-tpe", "tpe", "optuna:TPESampler --strategy_options=multivariate=true"),
        ("pbt", "pbt", "pbt: passes no checkpoints on here"),
    ],
)
def test_algorithms(tmp_path: Path, algorithm: str, strategy: str, told: str) -> None:
    assert options_of(tmp_path, by(algorithm))["tuning_strategy"] == strategy
    assert any(told in note for note in notes(tmp_path, by(algorithm)))


def test_settings(tmp_path: Path) -> None:
    text = by("tpe", "name: gamma, value: '0.3'", "name: x, value: 3")
    assert options_of(tmp_path, text)["strategy_options"] == {"gamma": "0.3"}
    assert any(
        "algorithmSettings[1].name x has no effect here" in n for n in notes(tmp_path, text)
    )
    (mistake,) = mistakes(tmp_path, by("tpe", "name: gamma, value: many"))
    assert "algorithmSettings[0].value of gamma must be a number" in mistake


def test_hyperband_trains_all_and_stops_most(tmp_path: Path) -> None:
    text = by("hyperband", "name: resource_name, value: layers", "name: r_l, value: '9'")
    text = text[: text.index("  earlyStopping:")] + text[text.index("  parallelTrialCount:") :]
    options = options_of(tmp_path, text)
    assert options["param_list"][-1] == {"name": "layers", "type": "constant", "value": 9} or {
        "name": "layers", "type": "constant", "value": 9
    } in options["param_list"]  # fmt: skip
    assert options["assessor_options"] == {"max_steps": "9", "eta": "3"}
    (mistake,) = mistakes(tmp_path, by("hyperband"))
    assert "of hyperband must contain resource_name and r_l" in mistake
    wrong = by("hyperband", "name: resource_name, value: layer", "name: r_l, value: '9'")
    (mistake,) = mistakes(tmp_path, wrong)
    assert "resource_name 'layer' is not a parameter (did you mean 'layers'?)" in mistake


def test_an_option_takes_the_place_of_an_algorithm(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, by("darts"))
    assert "'darts' searches architectures with Katib's own images" in caught.value.mistakes[0]
    assert caught.value.tip == (
        f"to run it anyway: autofinetune run {tmp_path}/m.yaml --tuning_strategy=tpe"
    )
    assert read_manifest(tmp_path / "m.yaml", check_files=False, given={"tuning_strategy": "tpe"})


# --- what is run --------------------------------------------------------------------------------


def job(kind: str, spec: str) -> str:
    return KATIB.replace(JOB, f"      kind: {kind}\n      spec: {spec}\n")


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


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (JOB, "      kind: Job\n", "trialSpec.spec is missing; it holds the container"),
        ("    trialSpec:\n" + JOB, "    configMap: {configMapName: x}\n",
         "trialTemplate.configMap lies in a cluster and is not read here; write it as trialSpec"),
        ("    trialSpec:\n" + JOB, "    goTemplate: {rawTemplate: x}\n",
         "trialTemplate.goTemplate is a Go template and is not read here"),
        ("    trialSpec:\n" + JOB, "", "trialTemplate.trialSpec is missing; it holds the command"),
        ("    type: minimize", "    type: less", "objective.type 'less' is unknown; use one of"),
        ("    objectiveMetricName: loss\n", "", "objective.objectiveMetricName is missing; name"),
        ("  algorithm:", "  nasConfig: {}\n  algorithm:", "nasConfig is an architecture search"),
        ("    algorithmName: medianstop", "    algorithmName: median", "'median' is unknown; "),
        ("parameterType: int", "parameterType: float", "parameterType 'float' is unknown"),
        ("                  - python3\n", "                  - ''\n", "must begin with the name"),
    ],
)  # fmt: skip
def test_a_mistake_is_told(tmp_path: Path, old: str, new: str, why: str) -> None:
    (found,) = mistakes(tmp_path, swap(KATIB, old, new))
    assert found.startswith("m.yaml:")
    assert why in found


def test_the_search_for_another_script(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(KATIB)
    found = read_search(tmp_path / "m.yaml")
    assert found is not None
    assert found.format == "Katib experiment"
    assert not {"command", "gpu", "max_parallel", "popsize"} & found.options.keys()
    assert (found.options["direction"], found.options["max_trials"]) == ("minimize", 8)
