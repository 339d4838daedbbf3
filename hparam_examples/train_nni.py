"""A script of NNI. Tune it by, in one line:

    autofinetune hparam_examples/train_nni.py --nni_wire --gpu=cpu:2
        --param_file=hparam_examples/nni_search_space.json

By itself, `python hparam_examples/train_nni.py`, it trains once with the values below. With
`import nni` it is tuned by the same command, where the package nni is installed.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import autofinetune.nni as nni

PARAMS: dict[str, Any] = {
    "batch_size": 64,
    "layers": 2,
    "hidden_size": 128.0,
    "dropout": 0.2,
    "weight_decay": 1e-3,
    "optimizer": {"_name": "sgd", "lr": 0.1, "momentum": 0.9},
}
EPOCHS = 5


def accuracy(params: dict[str, Any], epoch: int) -> float:
    """Stands for a training of a moment: best with adam, lr 1e-3 and three layers."""
    optimizer = params["optimizer"]
    best_lr = {"sgd": 0.1, "adam": 1e-3}[optimizer["_name"]]
    distance = abs(math.log10(optimizer["lr"] / best_lr)) + abs(params["layers"] - 3) / 4
    distance += abs(params["dropout"] - 0.3) + 0.1 * (optimizer["_name"] == "sgd")
    return math.exp(-distance / 4) * (1 - 0.5 ** (epoch + 1))


def main() -> None:
    PARAMS.update(nni.get_next_parameter() or {})
    print(f"trial {nni.get_sequence_id()} of {nni.get_experiment_id()}: {PARAMS}")
    for epoch in range(EPOCHS):
        nni.report_intermediate_result({"default": accuracy(PARAMS, epoch), "epoch": epoch})
    if "NNI_OUTPUT_DIR" in os.environ:  # what the best trial leaves there becomes best_model
        Path(os.environ["NNI_OUTPUT_DIR"], "model.txt").write_text(str(PARAMS))
    nni.report_final_result(accuracy(PARAMS, EPOCHS))


if __name__ == "__main__":
    main()
