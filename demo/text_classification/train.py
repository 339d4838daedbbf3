"""Tells which package of Python's standard library a docstring was written for.

    autofinetune demo/text_classification/train.py --gpu=cpu:2 \\
        --param_file=demo/text_classification/hparam.yaml max_seq_len 64

The texts are real and on every machine: the docstrings of eight packages. The model averages the
vectors of the words and of the pairs of words in a text and classifies that average. It is
written twice, in PyTorch and in numpy; both save the same file, so either goes on from the other.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import itertools
import os
import re
import sysconfig
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

# Several trials share the machine, so each of them calculates on one core. numpy and PyTorch read
# these variables while they are imported, which is why they stand here.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

import autofinetune as hub

Array: TypeAlias = NDArray[Any]
Weights: TypeAlias = dict[str, Array]

# Packages with 140 docstrings or more in every Python since 3.10.
PACKAGES = (
    "asyncio",
    "email",
    "http",
    "importlib",
    "logging",
    "multiprocessing",
    "unittest",
    "xml",
)
FEWEST_WORDS = 3  # a shorter text tells nothing
BUCKETS = 8192  # words share this many vectors; number 0 stands for "no word"
WIDTH = 32
WEIGHTS_FILE = "weights.npz"
NAMES = ("vectors", "weight", "bias")
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of Adam, the same in both frameworks


class Texts(NamedTuple):
    """Word numbers as `(n, length)`, 0 behind the end of a text, and the package of each text."""

    words: Array
    labels: Array


def main() -> None:
    """Train, report the accuracy after each epoch and at the end, save the weights."""
    options = parse_options()
    weights, done = load_weights(options.model_path) if options.model_path else (None, 0)
    if weights is None:
        weights = new_weights(np.random.default_rng(options.seed))
    model = new_model(weights, options)
    training, validation = load(options.max_seq_len)
    score = model.accuracy(validation)
    for epoch in range(done + 1, done + 1 + options.epochs):
        train_epoch(model, training, options, epoch)
        score = model.accuracy(validation)
        hub.report_intermediate_result(score, epoch)
        print(f"epoch {epoch}: accuracy {score:.4f}")
    # The model first: a trial counts from its final report on.
    if options.saved_params_dir:
        save_weights(options.saved_params_dir, model.weights(), done + options.epochs)
    hub.report_final_result(score)


def parse_options() -> argparse.Namespace:
    """The options; autofinetune passes each of them as --name=value."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add = parser.add_argument
    add("--learning_rate", type=float, default=0.003)
    add("--batch_size", type=int, default=64)
    add("--dropout", type=float, default=0.5)
    add("--weight_decay", type=float, default=0.01)
    add("--max_seq_len", type=int, default=128, help="words of a text that are read")
    add("--epochs", type=int, default=5, help="more epochs, also with --model_path")
    add("--seed", type=int, default=0, help="of the first weights, the order and the dropout")
    add("--framework", choices=("auto", "torch", "numpy"), default="auto",
        help="auto takes PyTorch where it is installed")  # fmt: skip
    add("--saved_params_dir", help="save the weights in this directory")
    add("--model_path", help="go on from the weights in this directory")
    return parser.parse_args()


def train_epoch(model: Model, texts: Texts, options: argparse.Namespace, epoch: int) -> None:
    """Show the model all texts once, in an order that is new in each epoch."""
    rng = np.random.default_rng([options.seed, epoch])
    order = rng.permutation(len(texts.labels))
    for start in range(0, len(order), options.batch_size):
        chosen = order[start : start + options.batch_size]
        keep = rng.random((len(chosen), WIDTH)) >= options.dropout
        scale = (keep / (1.0 - options.dropout)).astype(np.float32)
        model.step(Texts(texts.words[chosen], texts.labels[chosen]), scale)


# --- the texts ----------------------------------------------------------------------------------


def load(max_seq_len: int) -> tuple[Texts, Texts]:
    """Training and validation texts: every fifth text is held out, the same ones in every trial.

    The texts are sorted into the two by a checksum, so that neither the order of files nor a
    docstring that is new in some version of Python moves any other text.
    """
    training: dict[str, int] = {}
    validation: dict[str, int] = {}
    for label, package in enumerate(PACKAGES):
        for text in docstrings(package):
            part = validation if checksum(text) % 5 == 0 else training
            part.setdefault(text, label)  # a text that several packages have counts once
    if not training:
        raise SystemExit("this Python comes without the sources of its standard library")
    return encode(training, max_seq_len), encode(validation, max_seq_len)


def docstrings(package: str) -> Iterator[str]:
    """All docstrings in the sources of a package; nothing of it is imported or run."""
    root = Path(sysconfig.get_path("stdlib"), package)
    for path in sorted(root.rglob("*.py")):
        if "test" not in path.relative_to(root).parts:
            texts = docstrings_below(ast.parse(path.read_bytes()))
            yield from (text for text in texts if len(split_words(text)) >= FEWEST_WORDS)


def docstrings_below(node: ast.AST) -> Iterator[str]:
    """Of a module, and of every class and function in it."""
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        yield ast.get_docstring(node) or ""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.stmt, ast.ExceptHandler)):  # no definition is in an expression
            yield from docstrings_below(child)


def split_words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|[0-9]+", text.lower())


def encode(texts: dict[str, int], max_seq_len: int) -> Texts:
    """Each word, and each pair of neighbours, becomes the number that its checksum gives."""
    table = np.zeros((len(texts), 2 * max_seq_len), np.int64)
    for row, text in zip(table, texts, strict=True):
        words = split_words(text)[:max_seq_len]
        pairs = [" ".join(pair) for pair in itertools.pairwise(words)]
        numbers = [1 + checksum(item) % (BUCKETS - 1) for item in words + pairs]
        row[: len(numbers)] = numbers
    return Texts(table, np.array(list(texts.values())))


def checksum(text: str) -> int:
    """The same number in every process, unlike `hash`."""
    return zlib.crc32(text.encode())


# --- the model ----------------------------------------------------------------------------------


class Model(ABC):
    """Vectors of words, averaged, thinned out by dropout, and one linear layer."""

    @abstractmethod
    def step(self, batch: Texts, scale: Array) -> None:
        """One step of Adam; `scale` `(n, WIDTH)` is what dropout multiplies the averages by."""

    @abstractmethod
    def scores(self, words: Array) -> Array:
        """A score for each package, `(n, len(PACKAGES))`."""

    @abstractmethod
    def weights(self) -> Weights:
        """Copies of the weights, to be saved."""

    def accuracy(self, texts: Texts) -> float:
        """The share of texts whose package is told rightly."""
        return float(np.mean(self.scores(texts.words).argmax(axis=1) == texts.labels))


def new_weights(rng: np.random.Generator) -> Weights:
    """The weights to begin with; vectors[0], for no word, stays zero."""
    vectors = rng.normal(0.0, 0.3, (BUCKETS, WIDTH)).astype(np.float32)
    vectors[0] = 0.0
    weight = rng.normal(0.0, 0.3, (WIDTH, len(PACKAGES))).astype(np.float32)
    return {"vectors": vectors, "weight": weight, "bias": np.zeros(len(PACKAGES), np.float32)}


def new_model(weights: Weights, options: argparse.Namespace) -> Model:
    """The model in the framework asked for; `auto` falls back to numpy."""
    has_torch = importlib.util.find_spec("torch") is not None
    if options.framework == "torch" and not has_torch:
        raise SystemExit("--framework=torch needs PyTorch: pip install torch")
    if options.framework == "numpy" or not has_torch:
        return NumpyModel(weights, options.learning_rate, options.weight_decay)
    return TorchModel(weights, options.learning_rate, options.weight_decay)


class TorchModel(Model):
    """The model in PyTorch, on the card that autofinetune left visible, else on the CPU."""

    def __init__(self, weights: Weights, learning_rate: float, weight_decay: float) -> None:
        import torch

        self._torch: Any = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        tensors = {name: torch.from_numpy(weights[name].copy()) for name in NAMES}
        self._bag = torch.nn.EmbeddingBag(BUCKETS, WIDTH, mode="mean", padding_idx=0)
        self._linear = torch.nn.Linear(WIDTH, len(PACKAGES))
        self._bag.load_state_dict({"weight": tensors["vectors"]})
        self._linear.load_state_dict({"weight": tensors["weight"].T, "bias": tensors["bias"]})
        self._both = torch.nn.ModuleList([self._bag, self._linear]).to(self._device)
        self._optimizer = torch.optim.AdamW(
            self._both.parameters(),
            lr=learning_rate,
            weight_decay=weight_decay,
            betas=(BETA1, BETA2),
            eps=EPSILON,
        )

    def step(self, batch: Texts, scale: Array) -> None:
        scores = self._linear(self._bag(self._put(batch.words)) * self._put(scale))
        loss = self._torch.nn.functional.cross_entropy(scores, self._put(batch.labels))
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()

    def scores(self, words: Array) -> Array:
        with self._torch.no_grad():
            return self._as_array(self._linear(self._bag(self._put(words))))

    def weights(self) -> Weights:
        vectors, weight, bias = self._bag.weight, self._linear.weight.T, self._linear.bias
        return dict(zip(NAMES, map(self._as_array, (vectors, weight, bias)), strict=True))

    def _put(self, values: Array) -> Any:
        return self._torch.from_numpy(values).to(self._device)

    def _as_array(self, tensor: Any) -> Array:
        return np.array(tensor.detach().cpu().numpy())


class NumpyModel(Model):
    """The same model and the same steps by hand, for machines without PyTorch."""

    def __init__(self, weights: Weights, learning_rate: float, weight_decay: float) -> None:
        self._weights = {name: weights[name].copy() for name in NAMES}
        self._first = {name: np.zeros_like(weights[name]) for name in NAMES}
        self._second = {name: np.zeros_like(weights[name]) for name in NAMES}
        self._learning_rate = learning_rate
        self._weight_decay = weight_decay
        self._steps = 0

    def step(self, batch: Texts, scale: Array) -> None:
        shares = word_shares(batch.words)
        seen = shares @ self._weights["vectors"] * scale
        error = softmax(seen @ self._weights["weight"] + self._weights["bias"])
        error[np.arange(len(error)), batch.labels] -= 1.0
        error /= len(error)
        back = error @ self._weights["weight"].T * scale
        self._adam(
            {"vectors": shares.T @ back, "weight": seen.T @ error, "bias": error.sum(axis=0)}
        )

    def _adam(self, gradients: Weights) -> None:
        """Loshchilov and Hutter, arXiv 1711.05101, algorithm 2."""
        self._steps += 1
        rate = self._learning_rate / (1.0 - BETA1**self._steps)
        for name, gradient in gradients.items():
            first, second, values = self._first[name], self._second[name], self._weights[name]
            first += (1.0 - BETA1) * (gradient - first)
            second += (1.0 - BETA2) * (gradient**2 - second)
            values *= 1.0 - self._learning_rate * self._weight_decay
            values -= rate * first / (np.sqrt(second / (1.0 - BETA2**self._steps)) + EPSILON)

    def scores(self, words: Array) -> Array:
        seen = word_shares(words) @ self._weights["vectors"]
        return np.asarray(seen @ self._weights["weight"] + self._weights["bias"])

    def weights(self) -> Weights:
        return {name: values.copy() for name, values in self._weights.items()}


def word_shares(words: Array) -> Array:
    """What share of each text each word number has, `(n, BUCKETS)`; nothing for number 0."""
    shares = np.zeros((len(words), BUCKETS), np.float32)
    rows, columns = np.nonzero(words)
    counts = np.count_nonzero(words, axis=1)
    np.add.at(shares, (rows, words[rows, columns]), (1.0 / counts[rows]).astype(np.float32))
    return shares


def softmax(scores: Array) -> Array:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


# --- the weights on disk ------------------------------------------------------------------------


def save_weights(directory: str, weights: Weights, epochs: int) -> None:
    """Write the weights and how many epochs are in them."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    contents: dict[str, Any] = {**weights, "epochs": epochs}
    np.savez(Path(directory, WEIGHTS_FILE), **contents)


def load_weights(directory: str) -> tuple[Weights, int]:
    """What `save_weights` wrote; arrays only, so that a foreign file cannot run code here."""
    with np.load(Path(directory, WEIGHTS_FILE), allow_pickle=False) as file:
        return {name: file[name] for name in NAMES}, int(file["epochs"])


if __name__ == "__main__":
    main()
