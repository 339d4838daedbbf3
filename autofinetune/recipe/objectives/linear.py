"""A linear classifier of texts: logistic regression on counts of hashed byte n-grams.

The weights minimize the mean cross-entropy plus an L2 penalty, by L-BFGS. The features are those
of fastText's classifiers (Joulin et al., "Bag of Tricks for Efficient Text Classification", EACL
2017) without their embedding: n-grams share `2 ** bits` buckets, and a text is scaled to length 1,
so that long and short ones count alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = Callable[[str], Sequence[float]]
_SIZES = (1, 2, 3, 4)
_MOST_CHARACTERS = 3_000  # of a text
_PENALTY = 1e-4
_STEPS = 60


class LinearClassifier:
    """Learns the labels of texts.

    Args:
        texts, labels: `(n,)` each, of at least two labels.
        shape: returns further features of a text, all of about the size 1.
        bits: the logarithm of the number of buckets; with fewer it learns faster.
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        shape: Shape | None = None,
        bits: int = 15,
    ) -> None:
        from scipy.optimize import minimize

        self._bits = bits
        self.labels = sorted(set(labels))
        self._shape = shape
        x = self._features(texts)
        index = {label: place for place, label in enumerate(self.labels)}
        y = np.zeros((len(texts), len(self.labels)))
        y[np.arange(len(texts)), [index[label] for label in labels]] = 1.0

        def loss(flat: Array) -> tuple[float, Array]:
            weights = flat.reshape(-1, y.shape[1])
            p = _softmax(x @ weights)
            error = -np.log(np.maximum((p * y).sum(axis=1), 1e-12)).mean()
            gradient = x.T @ (p - y) / len(y) + _PENALTY * weights
            return error + 0.5 * _PENALTY * float((weights**2).sum()), gradient.ravel()

        start = np.zeros(x.shape[1] * y.shape[1])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
        self._weights = found.x.reshape(-1, y.shape[1])

    def probabilities(self, texts: Sequence[str]) -> Array:
        """Return the probability of each label, `(n, labels)`."""
        return _softmax(self._features(texts) @ self._weights)

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the most probable label of each text."""
        return [self.labels[place] for place in self.probabilities(texts).argmax(axis=1)]

    def _features(self, texts: Sequence[str]) -> Any:
        """Return a sparse matrix `(n, buckets + shape + 1)`; the last column is 1."""
        from scipy import sparse

        counts = [_hashed(text, self._bits) for text in texts]
        ends = np.cumsum([0, *(len(places) for places, _ in counts)])
        places = np.concatenate([np.zeros(0, dtype=np.int64), *(one for one, _ in counts)])
        values = np.concatenate([np.zeros(0), *(one for _, one in counts)])
        hashed = sparse.csr_matrix((values, places, ends), shape=(len(texts), 1 << self._bits))
        dense = [[*(self._shape(text) if self._shape else ()), 1.0] for text in texts]
        rest = np.array(dense, dtype=float).reshape(len(texts), -1)
        return sparse.hstack([hashed, sparse.csr_matrix(rest)], format="csr")


def codes_of(text: str, size: int) -> NDArray[np.uint64]:
    """Return the hash of each run of `size` bytes of a text, in order."""
    data = np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8).astype(np.uint64)
    code = np.full(max(len(data) - size + 1, 0), size, dtype=np.uint64)
    for place in range(size):
        code = code * np.uint64(1_000_003) + data[place : place + len(code)] + np.uint64(1)
    code ^= code >> np.uint64(29)
    return code * np.uint64(0xBF58476D1CE4E5B9)


def _hashed(text: str, bits: int) -> tuple[NDArray[np.int64], Array]:
    """Return the buckets of a text's n-grams, and the logarithms of their counts, scaled."""
    codes = np.concatenate([codes_of(text[:_MOST_CHARACTERS], size) for size in _SIZES])
    places, counts = np.unique((codes >> np.uint64(64 - bits)), return_counts=True)
    values = np.log1p(counts)
    length = float(np.linalg.norm(values))
    return places.astype(np.int64), values / length if length else values


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
