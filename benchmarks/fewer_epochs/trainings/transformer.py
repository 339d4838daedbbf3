"""A small transformer in PyTorch that reads Python's help topics, character by character.

The score is minus the cross-entropy in nats on windows of the last tenth of the text, after every
`_STEPS` batches. Blocks that are normalised last need a warm-up; high learning rates diverge.
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
    integer("third_log10_learning_rate", -9, 2, -7),
    choice("optimizer", "adamw", "sgd"),
    integer("warmup_pairs_of_reports", 0, 2, 0),
    choice("normalisation", "none", "first", "last"),
    integer("log2_width", 3, 4, 3),
    choice("schedule", "constant", "cosine"),
]
ALIKE = ("optimizer", "normalisation", "log2_width")
LENGTH = 20
LIBRARIES = ("numpy", "torch")
_STEPS = 10
_BATCH, _CONTEXT = 16, 16
_TESTED = 50  # windows


def train(configurations: Sequence[Params], seed: int) -> NDArray[np.float64]:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    settings: list[dict[str, Any]] = [dict(params) for params in configurations]
    n, width = len(settings), 2 ** settings[0]["log2_width"]
    text, test, symbols = _data()
    weights = stacked.new_weights(
        n, symbols=(symbols, width), places=(_CONTEXT, width), heads=(width, 3 * width),
        joined=(width, width), up=(width, 2 * width), b_up=(2 * width,), down=(2 * width, width),
        b_down=(width,), out=(width, symbols), b_out=(symbols,),
    )  # fmt: skip
    rates = [10.0 ** (p["third_log10_learning_rate"] / 3) for p in settings]
    optimizer = stacked.Optimizer(settings[0]["optimizer"], weights, rates, [0.0] * n)
    place, window = settings[0]["normalisation"], torch.arange(_CONTEXT + 1)
    scores = np.empty((n, LENGTH))
    for step in range(1, LENGTH * _STEPS + 1):
        start = torch.randint(len(text) - _CONTEXT, (n, _BATCH, 1))
        shares = torch.tensor([_share(p, step / _STEPS) for p in settings])
        optimizer.step(_losses(weights, text[start + window], place), shares)
        if step % _STEPS == 0:
            with torch.no_grad():
                losses = _losses(weights, test.expand(n, -1, -1), place)
            scores[:, step // _STEPS - 1] = torch.where(losses.isfinite(), -losses, math.nan)
    return scores


def _share(p: dict[str, Any], report: float) -> float:
    """The learning rate at a time, as a share of the highest."""
    warm = 2 * p["warmup_pairs_of_reports"]
    if report <= warm:
        return float(report / warm)
    if p["schedule"] == "constant":
        return 1.0
    done = (report - warm) / (LENGTH - warm)
    return 0.5 + 0.5 * math.cos(math.pi * done)


def _losses(weights: stacked.Weights, windows: Any, place: str) -> Any:
    """Windows `(networks, windows, _CONTEXT + 1)` to losses `(networks,)`."""
    import torch
    from torch.nn import functional

    n, count = windows.shape[:2]
    width = weights["places"].shape[2]

    def normal(x: Any, is_here: bool) -> Any:
        return functional.layer_norm(x, (width,)) if is_here else x

    flat = windows[:, :, :-1].flatten(1)
    x = weights["symbols"].gather(1, flat[:, :, None].expand(-1, -1, width))
    x = x + weights["places"].repeat(1, count, 1)
    parts = normal(x, place == "first") @ weights["heads"]
    # Two heads: (3, networks * windows, heads, places, width of a head).
    split = parts.view(n * count, _CONTEXT, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
    seen = functional.scaled_dot_product_attention(*split, is_causal=True)
    x = x + seen.transpose(1, 2).reshape(n, count * _CONTEXT, width) @ weights["joined"]
    x = normal(x, place == "last")
    inner = torch.baddbmm(weights["b_up"][:, None], normal(x, place == "first"), weights["up"])
    x = x + torch.baddbmm(weights["b_down"][:, None], inner.relu(), weights["down"])
    x = normal(x, place != "none")
    outputs = torch.baddbmm(weights["b_out"][:, None], x, weights["out"])
    return stacked.losses(outputs, windows[:, :, 1:].flatten(1))


@functools.cache
def _data() -> tuple[Any, Any, int]:
    """Codes of the training text, windows of the rest, and how many codes there are."""
    from pydoc_data.topics import topics

    import torch

    text = "\n".join(topics[name] for name in sorted(topics)).lower()
    known = {symbol: code for code, symbol in enumerate(sorted(set(text)))}
    codes = torch.tensor([known[symbol] for symbol in text])
    cut = len(codes) * 9 // 10
    starts = torch.linspace(cut, len(codes) - _CONTEXT - 1, _TESTED).long()
    return codes[:cut], codes[starts[:, None] + torch.arange(_CONTEXT + 1)], len(known)
