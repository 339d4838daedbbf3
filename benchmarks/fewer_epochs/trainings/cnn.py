"""A small convolutional network in PyTorch on 500 of scikit-learn's digits.

The score is the accuracy on 500 others. Schedules that lower the learning rate make curves
cross: what is ahead at half of the training is often not ahead at its end.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_quality.task import Params
from benchmarks.search_quality.trainings import choice, integer

from . import stacked

PARAMETERS = [
    integer("third_log10_learning_rate", -9, -2, -7),
    integer("log2_batch_size", 4, 6, 5),
    choice("optimizer", "adamw", "sgd"),
    integer("log10_weight_decay", -4, -1, -3),
    integer("log2_channels", 2, 3, 3),
    choice("dropout", False, True),
    choice("schedule", "constant", "cosine", "step"),
]
ALIKE = ("log2_batch_size", "optimizer", "log2_channels")
LENGTH = 24
LIBRARIES = ("numpy", "scikit-learn", "torch")
_TRAINED = _TESTED = 500
_DROPOUT = 0.4


def train(configurations: Sequence[Params], seed: int) -> NDArray[np.float64]:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    settings: list[dict[str, Any]] = [dict(params) for params in configurations]
    n, channels = len(settings), 2 ** settings[0]["log2_channels"]
    size = 2 ** settings[0]["log2_batch_size"]
    weights = stacked.new_weights(
        n, w1=(9, channels), b1=(channels,), w2=(9 * channels, 2 * channels),
        b2=(2 * channels,), w3=(8 * channels, 10), b3=(10,),
    )  # fmt: skip
    optimizer = stacked.Optimizer(
        settings[0]["optimizer"],
        weights,
        [10.0 ** (p["third_log10_learning_rate"] / 3) for p in settings],
        [10.0 ** p["log10_weight_decay"] for p in settings],
    )
    kept = torch.tensor([1.0 - _DROPOUT if p["dropout"] else 1.0 for p in settings])[:, None, None]
    patches, labels, test_patches, test_labels = _data()
    scores = np.empty((n, LENGTH))
    for epoch in range(LENGTH):
        rates = torch.tensor([_share(p["schedule"], epoch / LENGTH) for p in settings])
        orders = torch.rand(n, len(labels)).argsort(1)
        for chosen in orders.split(size, 1):
            outputs = _forward(weights, patches[chosen], kept)
            optimizer.step(stacked.losses(outputs, labels[chosen]), rates)
        with torch.no_grad():
            outputs = _forward(weights, test_patches.expand(n, -1, -1, -1))
        right = (outputs.argmax(2) == test_labels).double().mean(1)
        finite = outputs.isfinite().all(2).all(1)
        scores[:, epoch] = torch.where(finite, right, math.nan).numpy()
    return scores


def _share(schedule: str, progress: float) -> float:
    """The learning rate as a share of the highest."""
    if schedule == "cosine":
        return 0.5 + 0.5 * math.cos(math.pi * progress)
    if schedule == "step":
        return 1.0 if progress < 0.5 else 0.1 if progress < 0.8 else 0.01
    return 1.0


def _forward(weights: stacked.Weights, patches: Any, kept: Any = None) -> Any:
    """Patches of images `(networks, images, 16, 9)` to outputs `(networks, images, 10)`.

    Two convolutions with a stride of 2, as products with matrices, and a linear layer.
    """
    import torch
    from torch.nn import functional

    n, images = patches.shape[:2]
    first = torch.baddbmm(weights["b1"][:, None], patches.flatten(1, 2), weights["w1"]).relu()
    around = functional.pad(first.view(n, images, 4, 4, -1), (0, 0, 1, 1, 1, 1))
    inner = around.unfold(2, 3, 2).unfold(3, 3, 2).reshape(n, images * 4, -1)
    second = torch.baddbmm(weights["b2"][:, None], inner, weights["w2"]).relu()
    features = second.view(n, images, -1)
    if kept is not None:
        features = features * (torch.rand_like(features) < kept) / kept
    return torch.baddbmm(weights["b3"][:, None], features, weights["w3"])


@functools.cache
def _data() -> tuple[Any, Any, Any, Any]:
    import torch
    from sklearn.datasets import load_digits
    from torch.nn import functional

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    images = torch.tensor(x[order] / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    patches, labels = functional.unfold(images, 3, padding=1, stride=2).mT, torch.tensor(y[order])
    rest = slice(_TRAINED, _TRAINED + _TESTED)
    return patches[:_TRAINED], labels[:_TRAINED], patches[rest], labels[rest]
