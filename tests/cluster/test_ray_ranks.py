"""Trials whose processes are on two nodes of a real Ray cluster."""

from __future__ import annotations

import pytest

from autofinetune.core.events import AttemptStarted
from tests.cluster.runs import BEFORE, MEET, PATIENCE_S, NewRayRun, actors, until
from tools.mini_ray import LINK, MiniRay

pytestmark = pytest.mark.xdist_group("ray")


RANK = """
import os
from pathlib import Path
names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK")
with open(os.environ["FAULT_LEDGER"], "a") as file:
    print(*(os.environ[name] for name in names), os.environ["CUDA_VISIBLE_DEVICES"], file=file)
print("rank", os.environ["RANK"], "is here, on", os.environ.get("GLOO_SOCKET_IFNAME"))
if os.environ["RANK"] == "0":
    Path(os.environ["AUTOFINETUNE_SAVED_PARAMS_DIR"], "weights").touch()
"""


def test_ranks_on_two_nodes_meet(ray: MiniRay, new_ray_run: NewRayRun) -> None:
    run = new_ray_run("--gpus_per_trial=4", gpu="ray", popsize=1, rounds=2)
    (run.root / "train.py").write_text(
        BEFORE.format(ledger=str(run.ledger), plan="") + RANK + MEET
    )
    assert run.start().wait(PATIENCE_S) == 0, run.console
    found = sorted(run.ledger.read_text().splitlines())
    each = ["0 0 4 2 0 0,1", "1 1 4 2 0 0,1", "2 0 4 2 1 0,1", "3 1 4 2 1 0,1"]
    assert found == sorted(each * 2)
    trials = run.state().trials.values()
    assert [trial.score for trial in trials] == [7.0, 7.0]
    nodes = [e.node for e in run.events() if isinstance(e, AttemptStarted)]
    assert [sorted(each.split("+")) for each in nodes] == [["n1", "n2"]] * 2
    for trial in trials:
        assert (run.paths.model(trial.round, trial.member) / "weights").exists()
        printed = run.paths.attempt_dir(trial.id, 1) / "node-1.log"
        network = LINK if ray.is_isolated else ""
        assert f"rank 2 is here, on {network}" in printed.read_text()


def test_the_first_rank_that_fails_ends_those_on_other_nodes(
    ray: MiniRay, new_ray_run: NewRayRun
) -> None:
    run = new_ray_run("--gpus_per_trial=4", gpu="ray", popsize=1, rounds=1)
    wait = "import os, sys, time\nos.environ['RANK'] == '3' and sys.exit(7)\ntime.sleep(1000)\n"
    (run.root / "train.py").write_text(wait)
    assert run.start().wait(PATIENCE_S) == 3
    assert "reason: exit:7" in run.console
    assert run.survivors() == []
    until(lambda: not actors(ray))


MANIFEST = """
apiVersion: tensorstack.dev/v1beta1
kind: AutoTuneExperiment
metadata: {{name: gang}}
spec:
  maxTrialNum: 1
  trialConcurrency: 1
  searchSpace: '{{"lr": {{"_type": "uniform", "_value": [0, 1]}}}}'
  trainingConfig:
    type: pytorch
    tasks:
    - type: worker
      replicas: 4
      template:
        spec:
          containers:
          - name: main
            workingDir: {root}
            command: [python3, train.py]
            resources: {{limits: {{nvidia.com/gpu: 1}}}}
  tuner: {{builtinTunerName: Random}}
"""


def test_replicas_of_an_experiment_are_a_gang_on_two_nodes(new_ray_run: NewRayRun) -> None:
    run = new_ray_run()
    (run.root / "train.py").write_text(
        BEFORE.format(ledger=str(run.ledger), plan="") + RANK + MEET
    )
    (run.root / "gang.yaml").write_text(MANIFEST.format(root=run.root))
    words = ["run", "gang.yaml", "--output_dir=result", "--skip-preflight", "--min_free_gb=0"]
    assert run.start(*words, *run.options).wait(PATIENCE_S) == 0, run.console
    assert len(run.ledger.read_text().splitlines()) == 4
    assert run.state().trials[0].score == 7.0
