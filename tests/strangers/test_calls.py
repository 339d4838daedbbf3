"""Scripts that ask for their hyperparameters: TensorStack's SDK and NNI, neither is installed."""

from __future__ import annotations

import pytest

from .helpers import Place, scores

T9K = """
import argparse
from t9k import tuner

parser = argparse.ArgumentParser()
parser.add_argument("--log_dir", default="logs")
parser.add_argument("--no_cuda", action="store_true")
args = parser.parse_args()
params = tuner.get_next_parameter()
assert tuner.get_next_parameter() is None or params
assert args.no_cuda and tuner.get_trial_id()
for step in range(3):
    tuner.report_intermediate_result(params["learning_rate"] * step, step)
tuner.report_final_result(params["learning_rate"] + params["batch_size"])
"""
MANIFEST = """\
apiVersion: tensorstack.dev/v1beta1
kind: AutoTuneExperiment
metadata:
  name: autotune-example
spec:
  maxExecSeconds: 7200
  maxTrialNum: 2
  trialConcurrency: 1
  searchSpace: |-
    {
      "batch_size": {"_type": "choice", "_value": [32, 64]},
      "learning_rate": {"_type": "choice", "_value": [0.25]}
    }
  trainingConfig:
    type: pytorch
    tasks:
      - type: worker
        replicas: 1
        template:
          spec:
            containers:
              - command: ["python3", "train.py", "--log_dir", "logs", "--no_cuda"]
                workingDir: .
                image: t9kpublic/torch-2.1.0:sdk-0.5.2
                name: pytorch
  tuner:
    builtinTunerName: TPE
    classArgs: |-
      {"optimize_mode": "maximize"}
"""


@pytest.mark.stranger("TensorStack SDK", "`t9k.tuner` by an AutoTuneExperiment")
def test_t9k(place: Place) -> None:
    place.write(train_py=T9K, experiment_yaml=MANIFEST)
    done = place.run("run", "experiment.yaml", "--gpu=cpu:1", "--output_dir=result")
    assert done.code == 0, place.explain(done)
    trials = place.trials()
    assert scores(trials) == [float(t["batch_size"]) + 0.25 for t in trials]
    assert len(trials) == 2


KERAS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from t9k import tuner
from t9k.tuner.keras import AutoTuneEvalCallback, AutoTuneFitCallback

params = tuner.get_next_parameter()
keras.utils.set_random_seed(1)
x = np.random.RandomState(0).randn(64, 4).astype("float32")
y = (x.sum(1) > 0).astype("int64")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
model.compile(keras.optimizers.SGD(params["lr"]), "binary_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=2, verbose=0, callbacks=[AutoTuneFitCallback(metric="loss")])
loss, accuracy = model.evaluate(x, y, verbose=0, callbacks=[AutoTuneEvalCallback("accuracy")])
print(accuracy, file=open(os.environ["LEDGER"], "a"))
"""


@pytest.mark.stranger("TensorStack SDK", "`t9k.tuner.keras` callbacks", "keras", "torch")
def test_t9k_keras(place: Place) -> None:
    place.write(train_py=KERAS)
    found = scores(place.tune("--preload=torch"))
    assert found == pytest.approx([float(line) for line in place.ledger()])
    assert len(found) == 2


NNI = """
import argparse
import nni
from nni.utils import merge_parameter

def get_params():
    parser = argparse.ArgumentParser(description="MNIST example")
    parser.add_argument("--lr", type=float, default=0.01, metavar="LR")
    parser.add_argument("--epochs", type=int, default=2)
    args, _ = parser.parse_known_args()
    return args

if __name__ == "__main__":
    tuner_params = nni.get_next_parameter()
    params = vars(merge_parameter(get_params(), tuner_params))
    for epoch in range(params["epochs"]):
        nni.report_intermediate_result(params["lr"] * epoch)
    nni.report_final_result({"default": params["lr"] * 2, "other": 1})
"""
CONFIG = """\
searchSpace:
  lr: {_type: choice, _value: [0.25, 0.5]}
trialCommand: python3 train.py --epochs 3
trialCodeDirectory: .
trialConcurrency: 1
maxTrialNumber: 2
tuner: {name: GridSearch}
trainingService: {platform: local}
"""


@pytest.mark.stranger("NNI", "a script and its `config.yml`, where the package is not installed")
def test_nni_experiment(place: Place) -> None:
    place.write(train_py=NNI, config_yml=CONFIG)
    done = place.run("run", "config.yml", "--gpu=cpu:1", "--output_dir=result")
    assert done.code == 0, place.explain(done)
    assert sorted(scores(place.trials())) == [0.5, 1.0]


@pytest.mark.stranger("NNI", "the same script by `--param_file`")
def test_nni_script(place: Place) -> None:
    place.write(train_py=NNI)
    assert scores(place.tune()) == [0.5, 1.0]


@pytest.mark.stranger(
    "other languages", "a shell script that writes into `$AUTOFINETUNE_SAVED_PARAMS_DIR`"
)
def test_a_shell_script(place: Place) -> None:
    place.write(
        train_sh="""\
        #!/bin/sh
        echo "$1" > "$AUTOFINETUNE_SAVED_PARAMS_DIR/weights"
        echo "{\\"final\\": ${1#--lr=}}" >> "$AUTOFINETUNE_REPORT_FILE"
        """,
        sweep_yaml="""\
        method: grid
        command: [sh, train.sh, "${args}"]
        metric: {name: acc, goal: maximize}
        parameters: {lr: {values: [0.25, 0.5]}}
        """,
    )
    done = place.run("run", "sweep.yaml", "--gpu=cpu:1", "--output_dir=result", "--popsize=2",
                     "--round=1")  # fmt: skip
    assert done.code == 0, place.explain(done)
    assert scores(place.trials()) == [0.25, 0.5]
    assert (place.root / "result/best_model/weights").read_text() == "--lr=0.5\n"
