"""An AutoTuneExperiment whose `aistore` names a folder, with and without TensorStack's SDK."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Workplace
from tests.sinks.test_t9k import SDK

SECRET = "hunter22-hunter22"
MANIFEST = """
apiVersion: tensorstack.dev/v1beta1
kind: AutoTuneExperiment
metadata: {name: small}
spec:
  maxTrialNum: 2
  aistore: {folder: 0a1b-2c3d, secret: aistore-secret}
  searchSpace: |-
    {"lr": {"_type": "uniform", "_value": [0.001, 0.1]},
     "units": {"_type": "randint", "_value": [4, 64]}}
  trainingConfig:
    type: pytorch
    tasks:
    - type: worker
      replicas: 1
      template: {spec: {containers: [{name: pytorch, command: [python3, train.py]}]}}
  tuner: {builtinTunerName: Random, classArgs: '{"optimize_mode": "maximize"}'}
"""


def ran(work: Workplace, *words: str, path: Path | None = None) -> str:
    env = work.env if path is None else {**work.env, "PYTHONPATH": str(path)}
    done = subprocess.run(work.command(*words), cwd=work.root, env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.long
def test_trials_come_into_the_folder_once_the_sdk_is_there(workplace: Workplace) -> None:
    root = workplace.root
    (root / "experiment.yaml").write_text(MANIFEST)
    (root / "secret.yaml").write_text(
        f"kind: Secret\nmetadata: {{name: aistore-secret}}\nstringData: {{apikey: {SECRET}}}\n"
    )
    out = ran(workplace, "run", "experiment.yaml", "--secrets=secret.yaml", "--gpu=cpu:2",
              "--log_to=none", "--output_dir=result")  # fmt: skip
    assert "spec.aistore gives --store=aistore://0a1b-2c3d" in out
    assert "WARNING: no trial was recorded in the folder 0a1b-2c3d of AIStore" in out
    where = "store aistore://0a1b-2c3d"
    missing = "not there yet: trials (the SDK t9k is not installed)"
    assert f"{where}: 0 trials; {missing}" in ran(workplace, "status", "result")
    sdk = root / "sdk/t9k"
    sdk.mkdir(parents=True)
    (sdk / "__init__.py").touch()
    (sdk / "em.py").write_text(SDK)
    for _ in range(2):
        out += ran(workplace, "rebuild", "result", "--store=aistore://0a1b-2c3d", path=sdk.parent)
    assert out.count("WARNING") == 1
    assert f"{where}: up to date, 2 trials" in ran(workplace, "status", "result")
    held = json.loads((sdk / "server.json").read_text())
    assert held["uploads"] == 2
    assert {one["key"] for one in held["runs"].values()} == {SECRET}
    assert all(name.startswith("0a1b-2c3d/autofinetune-") for name in held["runs"])
    assert SECRET not in out
    files = [path for path in (root / "result").rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
