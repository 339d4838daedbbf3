"""Reads handwritten digits with a small network in plain numpy; a script that can be tuned.

    autofinetune demo/digits/train.py --param_file=demo/digits/hparam.yaml --gpu=cpu:2

What makes it tunable: every searched hyperparameter is an option, the weights go to
--saved_params_dir, training goes on from the weights in --model_path, and the accuracy is
reported. Without autofinetune around it, it trains once and prints.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import os
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

# Several trials share the machine, so each of them calculates on one core. numpy reads these
# variables while it is imported, which is why they stand here.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

import autofinetune as hub

Array: TypeAlias = NDArray[Any]
Weights: TypeAlias = dict[str, Array]

PIXELS, HIDDEN, CLASSES = 64, 48, 10
VALIDATION = 500  # of 1797 digits
WEIGHTS_FILE = "weights.npz"


class Digits(NamedTuple):
    """Images as `(n, 64)` from 0 to 1, and which digit each of them shows."""

    images: Array
    labels: Array


def main() -> None:
    """Train, report the accuracy after each epoch and at the end, save the weights."""
    options = parse_options()
    training, validation = split(load())
    weights, done = load_weights(options.model_path) if options.model_path else (None, 0)
    if weights is None:
        weights = new_weights(np.random.default_rng(options.seed))
    speed = {name: np.zeros_like(values) for name, values in weights.items()}
    score = accuracy(weights, validation)
    for epoch in range(done + 1, done + 1 + options.epochs):
        train_epoch(weights, speed, training, options, epoch)
        score = accuracy(weights, validation)
        hub.report_intermediate_result(score, epoch)
        print(f"epoch {epoch}: accuracy {score:.4f}")
    # The model first: a trial counts from its final report on.
    if options.saved_params_dir:
        save_weights(options.saved_params_dir, weights, done + options.epochs)
    hub.report_final_result(score)


def parse_options() -> argparse.Namespace:
    """The options; autofinetune passes each of them as --name=value."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add = parser.add_argument
    add("--learning_rate", type=float, default=0.03)
    add("--batch_size", type=int, default=32)
    add("--momentum", type=float, default=0.5)
    add("--weight_decay", type=float, default=0.001)
    add("--epochs", type=int, default=20, help="more epochs, also with --model_path")
    add("--seed", type=int, default=0, help="of the first weights and the order of the digits")
    add("--saved_params_dir", help="save the weights in this directory")
    add("--model_path", help="go on from the weights in this directory")
    return parser.parse_args()


# --- the digits ---------------------------------------------------------------------------------


def load() -> Digits:
    """The 1797 digits that come with scikit-learn, the same as `load_digits()` gives."""
    path = digits_file()
    if path is not None:
        # Read directly: to import scikit-learn takes longer than all of the training.
        with gzip.open(path, "rt", encoding="ascii") as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.float32)
        return Digits(table[:, :-1] / 16, table[:, -1].astype(np.int64))
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return Digits(images.astype(np.float32) / 16, labels)


def digits_file() -> Path | None:
    """Where scikit-learn keeps the digits, None if that is not where we know it."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise SystemExit("this demo needs scikit-learn for its digits: pip install scikit-learn")
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    return path if path.is_file() else None


def split(digits: Digits) -> tuple[Digits, Digits]:
    """Training and validation digits: the same ones in every trial, whatever its --seed."""
    order = np.random.default_rng(0).permutation(len(digits.labels))
    held_out, rest = order[:VALIDATION], order[VALIDATION:]
    return (
        Digits(digits.images[rest], digits.labels[rest]),
        Digits(digits.images[held_out], digits.labels[held_out]),
    )


# --- the network --------------------------------------------------------------------------------


def new_weights(rng: np.random.Generator) -> Weights:
    """Random weights of a suitable size (He et al., arXiv 1502.01852), biases of zero."""
    return {
        "w1": rng.normal(0.0, np.sqrt(2 / PIXELS), (PIXELS, HIDDEN)).astype(np.float32),
        "b1": np.zeros(HIDDEN, np.float32),
        "w2": rng.normal(0.0, np.sqrt(2 / HIDDEN), (HIDDEN, CLASSES)).astype(np.float32),
        "b2": np.zeros(CLASSES, np.float32),
    }


def forward(weights: Weights, images: Array) -> tuple[Array, Array]:
    """Hidden layer `(n, HIDDEN)` and a score for each class `(n, CLASSES)`."""
    hidden = np.maximum(images @ weights["w1"] + weights["b1"], 0.0)
    return hidden, hidden @ weights["w2"] + weights["b2"]


def gradients(weights: Weights, batch: Digits) -> Weights:
    """Of the mean cross-entropy with regard to each weight."""
    hidden, scores = forward(weights, batch.images)
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    error = raised / raised.sum(axis=1, keepdims=True)
    error[np.arange(len(error)), batch.labels] -= 1.0
    error /= len(error)
    back = error @ weights["w2"].T * (hidden > 0.0)
    return {
        "w1": batch.images.T @ back,
        "b1": back.sum(axis=0),
        "w2": hidden.T @ error,
        "b2": error.sum(axis=0),
    }


def train_epoch(
    weights: Weights, speed: Weights, digits: Digits, options: argparse.Namespace, epoch: int
) -> None:
    """Stochastic gradient descent with momentum over all digits once; changes the weights."""
    rng = np.random.default_rng([options.seed, epoch])  # a new order, also when going on
    order = rng.permutation(len(digits.labels))
    for start in range(0, len(order), options.batch_size):
        chosen = order[start : start + options.batch_size]
        found = gradients(weights, Digits(digits.images[chosen], digits.labels[chosen]))
        for name, gradient in found.items():
            gradient += options.weight_decay * weights[name]
            speed[name] = options.momentum * speed[name] - options.learning_rate * gradient
            weights[name] += speed[name]


def accuracy(weights: Weights, digits: Digits) -> float:
    """The share of digits that are read rightly."""
    return float(np.mean(forward(weights, digits.images)[1].argmax(axis=1) == digits.labels))


# --- the weights on disk ------------------------------------------------------------------------


def save_weights(directory: str, weights: Weights, epochs: int) -> None:
    """Write the weights and how many epochs are in them."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    contents: dict[str, Any] = {**weights, "epochs": epochs}
    np.savez(Path(directory, WEIGHTS_FILE), **contents)


def load_weights(directory: str) -> tuple[Weights, int]:
    """What `save_weights` wrote; arrays only, so that a foreign file cannot run code here."""
    with np.load(Path(directory, WEIGHTS_FILE), allow_pickle=False) as file:
        return {name: file[name] for name in ("w1", "b1", "w2", "b2")}, int(file["epochs"])


if __name__ == "__main__":
    main()
