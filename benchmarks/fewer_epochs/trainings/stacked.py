"""Many small networks trained at once in PyTorch, each by its own hyperparameters.

Weights have the network as their first dimension, so an operation does for all networks what would
take as long for one. Nothing else is shared: every network has its own first weights, batches and
learning rate, and the gradient of the sum of all losses is each network's own gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Weights = dict[str, Any]


def new_weights(count: int, **shapes: tuple[int, ...]) -> Weights:
    """Random weights for `count` networks (He et al., arXiv 1502.01852); vectors begin at zero."""
    import torch

    return {
        name: (
            torch.zeros(count, *shape)
            if len(shape) == 1
            else torch.randn(count, *shape) * (2.0 / shape[0]) ** 0.5
        ).requires_grad_()
        for name, shape in shapes.items()
    }


class Optimizer:
    """SGD with momentum of 0.9, or AdamW (Loshchilov & Hutter, arXiv 1711.05101).

    `rates` and `decays` have shape `(networks,)`; all networks have the same kind of optimizer.
    """

    def __init__(
        self, kind: str, weights: Weights, rates: Sequence[float], decays: Sequence[float]
    ):
        import torch

        self._weights = list(weights.values())
        self._is_adam = kind == "adamw"
        self._rates, self._decays = torch.tensor(rates), torch.tensor(decays)
        self._first = [torch.zeros_like(weight) for weight in self._weights]
        self._second = [torch.zeros_like(weight) for weight in self._weights]
        self._steps = 0

    def step(self, losses: Any, shares: Any) -> None:
        """Take a step with `shares` of the learning rates; losses and shares `(networks,)`."""
        import torch

        self._steps += 1
        gradients = torch.autograd.grad(losses.sum(), self._weights)
        with torch.no_grad():
            rows = zip(self._weights, gradients, self._first, self._second, strict=True)
            for weight, gradient, first, second in rows:
                each = (-1,) + (1,) * (weight.ndim - 1)
                rate = (self._rates * shares).view(each)
                decay = self._decays.view(each)
                if self._is_adam:
                    first.lerp_(gradient, 0.1)
                    second.lerp_(gradient**2, 0.001)
                    size = (second / (1.0 - 0.999**self._steps)).sqrt_().add_(1e-8)
                    change = first / (1.0 - 0.9**self._steps) / size + decay * weight
                else:
                    first.mul_(0.9).add_(gradient + decay * weight)
                    change = first
                weight.sub_(rate * change)


def losses(outputs: Any, classes: Any) -> Any:
    """Mean cross-entropy of each network, `(networks,)`; outputs are `(networks, n, classes)`."""
    from torch.nn import functional

    every = functional.cross_entropy(outputs.flatten(0, 1), classes.flatten(), reduction="none")
    return every.view(len(outputs), -1).mean(1)
