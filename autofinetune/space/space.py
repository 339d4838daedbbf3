"""The search space: all hyperparameters in order, and the unit cube they span."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .parameters import Parameter, Value


@dataclass(frozen=True)
class Space:
    """An ordered set of parameters. A point has shape `(dim,)`, each coordinate in [0, 1]."""

    parameters: tuple[Parameter, ...]

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    @property
    def dim(self) -> int:
        return len(self.parameters)

    @property
    def size(self) -> int | None:
        """The number of distinct configurations; None when any parameter is continuous."""
        sizes = [parameter.size for parameter in self]
        return math.prod(size for size in sizes if size is not None) if None not in sizes else None

    @property
    def init_params(self) -> dict[str, Value]:
        """The initial values."""
        return {parameter.name: parameter.init for parameter in self}

    @property
    def init_point(self) -> tuple[float, ...]:
        """The coordinates of the initial values."""
        return self.encode(self.init_params)

    def decode(self, point: Sequence[float]) -> dict[str, Value]:
        """The configuration at `point`, which has shape `(dim,)`."""
        return {p.name: p.decode(float(u)) for p, u in zip(self, point, strict=True)}

    def encode(self, params: Mapping[str, Value]) -> tuple[float, ...]:
        """The point of a configuration; raises ValueError for a value outside the space."""
        return tuple(parameter.encode(params[parameter.name]) for parameter in self)

    def describe(self) -> dict[str, object]:
        """The same space as the content of an hparam.yaml."""
        return {"param_list": [dict(parameter.describe()) for parameter in self]}
