"""YAHPO Gym's LCBench: neural networks that predict the scores of trainings.

Data: https://github.com/slds-lmu/yahpo_data (Apache-2.0), the folder `lcbench`. Each of its 34
instances is a data set on which 2,000 networks were trained (Zimmer et al., "Auto-PyTorch
Tabular", 2021; Pfisterer et al., "YAHPO Gym", 2022). Seven hyperparameters are searched, the
number of epochs is the full 52, and the score is the accuracy on validation data in percent.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Space, load_space

from .task import Params

FAMILY = "lcbench"
# The order of the network's inputs, which is that of param_set.R, not that of config_space.json.
_INPUTS = (
    "epoch",
    "batch_size",
    "learning_rate",
    "momentum",
    "weight_decay",
    "num_layers",
    "max_units",
    "max_dropout",
)
EPOCHS = 52
_SECONDS, _VAL_ACCURACY = 0, 1  # columns of the network's output


def _range(
    name: str, type_: str, low: float, high: float, init: float, log: bool
) -> dict[str, Any]:
    entry = {"name": name, "type": type_, "init_value": init}
    return entry | {"greater_than": low, "lower_than": high} | ({"log": True} if log else {})


@functools.cache
def space() -> Space:
    """Ranges, scales and initial values are those of the scenario's config_space.json."""
    return load_space(
        {
            "param_list": [
                _range("batch_size", "int", 16, 512, 91, True),
                _range("learning_rate", "float", 1e-4, 0.1, 0.0031622777, True),
                _range("max_dropout", "float", 0.0, 1.0, 0.5, False),
                _range("max_units", "int", 64, 1024, 256, True),
                _range("momentum", "float", 0.1, 0.99, 0.545, False),
                _range("num_layers", "int", 1, 5, 3, False),
                _range("weight_decay", "float", 1e-5, 0.1, 0.050005, False),
            ]
        }
    )


@functools.cache
def instances(data: Path) -> tuple[str, ...]:
    """OpenML's numbers of the data sets, in the order of config_space.json."""
    text = (data / FAMILY / "config_space.json").read_text()
    entries = json.loads(text)["hyperparameters"]
    return next(tuple(e["choices"]) for e in entries if e["name"] == "OpenML_task_id")


@functools.cache
def _session(data: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(data / FAMILY / "model.onnx"), options)


@functools.cache
def _codes(data: Path) -> dict[str, int]:
    codes: dict[str, int] = json.loads((data / FAMILY / "encoding.json").read_text())[
        "OpenML_task_id"
    ]
    return codes


def inputs(configurations: Sequence[Params]) -> NDArray[np.float32]:
    """What the network is given, `(n, 8)`."""
    rows = [[{"epoch": EPOCHS, **params}[name] for name in _INPUTS] for params in configurations]
    return np.array(rows, np.float32)


def scores(data: Path, instance: str, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Accuracies in percent, `(n,)`."""
    return _predict(data, instance, x)[:, _VAL_ACCURACY]


def seconds(data: Path, instance: str, params: Params) -> float:
    """How long the training took."""
    return float(_predict(data, instance, inputs([params]))[0, _SECONDS])


def _predict(data: Path, instance: str, x: NDArray[np.float32]) -> NDArray[np.float64]:
    category = np.full((len(x), 1), _codes(data)[instance], np.int32)
    (found,) = _session(data).run(None, {"x_cat": category, "x_cont": x})
    return np.asarray(found, np.float64)


def evaluate(data: Path, instance: str, params: Params) -> float:
    return float(scores(data, instance, inputs([params]))[0])


def learning_curve(data: Path, instance: str, params: Params) -> NDArray[np.float64]:
    """The accuracy in percent after each of the epochs, `(52,)`."""
    epochs = [{**params, "epoch": epoch} for epoch in range(1, EPOCHS + 1)]
    return scores(data, instance, inputs(epochs))
