"""Manifests of every format, and the results of reading changed ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from autofinetune.errors import ConfigError
from autofinetune.manifests import Manifest, read_manifest

EXAMPLES = Path(__file__).parent.parent.parent / "hparam_examples"
KATIB = (EXAMPLES / "katib_experiment/experiment.yaml").read_text(encoding="utf-8")
KATIB_JOB = KATIB[KATIB.index("      apiVersion: batch/v1") :]
HYDRA = (EXAMPLES / "hydra_optuna/conf/config.yaml").read_text(encoding="utf-8")
AUTOTUNE = (EXAMPLES / "autotune_experiment/experiment.yaml").read_text(encoding="utf-8")

NNI_1 = """\
authorName: me
trialConcurrency: 4
maxExecDuration: 2h
maxTrialNum: 10
trainingServicePlatform: local
searchSpacePath: space.json
tuner:
  builtinTunerName: TPE
  classArgs: {optimize_mode: maximize}
assessor:
  builtinAssessorName: Medianstop
trial:
  command: python3 mnist.py
  codeDir: .
  gpuNum: 1
localConfig: {gpuIndices: "1,2", maxTrialNumPerGpu: 2, useActiveGpu: true}
"""
NNI_2 = """\
searchSpace:
  lr: {_type: loguniform, _value: [0.001, 0.1]}
trialCommand: python3 mnist.py
trialConcurrency: 2
maxTrialNumber: 10
tuner:
  name: GridSearch
  classArgs: {optimize_mode: minimize}
trainingService: {platform: local}
"""
SWEEP = """\
program: train.py
method: random
metric: {name: loss}
run_cap: 5
parameters:
  lr: {min: 0.001, max: 0.1}
  layers: {values: [1, 2, 3]}
"""


def read(
    folder: Path, text: str, *, check_files: bool = False, given: Mapping[str, Any] | None = None
) -> Manifest:
    (folder / "space.json").write_text('{"lr": {"_type": "uniform", "_value": [0, 1]}}')
    (folder / "m.yaml").write_text(text, encoding="utf-8")
    found = read_manifest(folder / "m.yaml", check_files=check_files, given=given)
    assert found is not None
    return found


def options_of(folder: Path, text: str) -> dict[str, Any]:
    return dict(read(folder, text).options)


def mistakes(folder: Path, text: str, *, check_files: bool = False) -> list[str]:
    """Return the mistakes of a manifest, without the path of its directory."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text, check_files=check_files)
    assert caught.value.exit_code == 2
    return [mistake.replace(f"{folder}/", "") for mistake in caught.value.mistakes]


def notes(folder: Path, text: str) -> list[str]:
    return [note.replace(f"{folder}/", "") for note in read(folder, text).notes]


def swap(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, (text.count(old), old)
    return text.replace(old, new)
