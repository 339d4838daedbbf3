"""Katib experiments: the options of a run, the score, mistakes and notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autofinetune.manifests import read_manifest, read_search

from .helpers import KATIB, KATIB_JOB, mistakes, notes, options_of, swap


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


# --- mistakes, and another script ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (KATIB_JOB, "      kind: Job\n", "trialSpec.spec is missing; it holds the container"),
        ("    trialSpec:\n" + KATIB_JOB, "    configMap: {configMapName: x}\n",
         "trialTemplate.configMap lies in a cluster and is not read here; write it as trialSpec"),
        ("    trialSpec:\n" + KATIB_JOB, "    goTemplate: {rawTemplate: x}\n",
         "trialTemplate.goTemplate is a Go template and is not read here"),
        ("    trialSpec:\n" + KATIB_JOB, "",
         "trialTemplate.trialSpec is missing; it holds the command"),
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
