"""The digits demo: a network in numpy, its accuracy after each epoch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_quality.task import Params
from benchmarks.search_quality.trainings import integer
from demo.digits import train as demo

PARAMETERS = [
    integer("log2_learning_rate", -9, 0, -5),
    integer("log2_batch_size", 4, 7, 5),
    integer("log2_of_1_minus_momentum", -4, 0, -1),
    integer("log10_weight_decay", -5, -2, -3),
]
ALIKE = ()
LENGTH = 20
LIBRARIES = ("numpy", "scikit-learn")


def train(configurations: Sequence[Params], seed: int) -> NDArray[np.float64]:
    return np.array([_train(params, [seed, n]) for n, params in enumerate(configurations)])


def _train(params: Params, seed: list[int]) -> list[float]:
    p = {name: float(str(value)) for name, value in params.items()}
    options = argparse.Namespace(
        learning_rate=2.0 ** p["log2_learning_rate"],
        batch_size=int(2 ** p["log2_batch_size"]),
        momentum=1.0 - 2.0 ** p["log2_of_1_minus_momentum"],
        weight_decay=10.0 ** p["log10_weight_decay"],
        seed=int(np.random.default_rng(seed).integers(2**31)),
    )
    training, validation = demo.split(demo.load())
    weights = demo.new_weights(np.random.default_rng(options.seed))
    speed = {name: np.zeros_like(values) for name, values in weights.items()}
    scores = []
    for epoch in range(1, LENGTH + 1):
        with np.errstate(all="ignore"):  # of weights that overflow, which the score shows
            demo.train_epoch(weights, speed, training, options, epoch)
            score = demo.accuracy(weights, validation)
        is_finite = all(np.isfinite(values).all() for values in weights.values())
        scores.append(score if is_finite else float("nan"))
    return scores
