"""Synthetic tasks: functions in the manner of BBOB.

Every instance has its optimum, of value 0, at a random place in [-4, 4]^dim, and all but the
separable ones are rotated, so neither the centre nor an axis is special. The search space is
[-5, 5]^dim and starts at a random place.

The `rounded` versions have every second axis on whole numbers, given as `int` parameters, with the
optimum moved onto them.
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Space, load_space

from .functions import FUNCTIONS, TUNING
from .task import Params

Array = NDArray[np.float64]
_BOUND = 5.0


_SEPARABLE = ("sphere", "rosenbrock")  # rotated they are the same, or as usual not rotated
DIMS = (2, 5, 10, 20)
ROUNDED_DIMS = (5, 10)
TUNING_DIMS = (5, 10, 20)
TUNING_FAMILY = "tuning"
_EVERY = FUNCTIONS | TUNING


@dataclass(frozen=True)
class Problem:
    """One instance of a function."""

    function: str
    dim: int
    rounded: bool
    instance: int = 1

    @property
    def name(self) -> str:
        plain = TUNING_FAMILY if self.function in TUNING else "bbob"
        kind = "rounded" if self.rounded else plain
        return f"{kind}/{self.function}-{self.dim}-{self.instance}"

    def loss(self, x: Array) -> float:
        """At `x` `(dim,)` in the units of the space; 0 at the optimum, larger elsewhere."""
        optimum, rotation, _ = self._frame
        return _EVERY[self.function](rotation @ (x - optimum))

    @property
    def optimum(self) -> Array:
        """Where the loss is 0, `(dim,)`."""
        return self._frame[0]

    def score(self, params: Params) -> float:
        return -self.loss(np.array([float(str(params[f"x{axis}"])) for axis in range(self.dim)]))

    def position(self, u: Array) -> Array:
        """Where a point of the unit cube is in the units of the space."""
        return np.array(list(self.space.decode(u.tolist()).values()), np.float64)

    @functools.cached_property
    def space(self) -> Space:
        start = self._frame[2]
        entries = [
            {
                "name": f"x{axis}",
                "type": "int" if self._is_whole(axis) else "float",
                "init_value": int(start[axis]) if self._is_whole(axis) else float(start[axis]),
                "greater_than": -int(_BOUND) if self._is_whole(axis) else -_BOUND,
                "lower_than": int(_BOUND) if self._is_whole(axis) else _BOUND,
            }
            for axis in range(self.dim)
        ]
        return load_space({"param_list": entries})

    def _is_whole(self, axis: int) -> bool:
        return self.rounded and axis % 2 == 1

    @functools.cached_property
    def _frame(self) -> tuple[Array, Array, Array]:
        """The optimum, the rotation and the start."""
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), self.dim, self.instance])
        optimum, start = rng.uniform(-4.0, 4.0, self.dim), rng.uniform(-5.0, 5.0, self.dim)
        whole = np.array([self._is_whole(axis) for axis in range(self.dim)])
        optimum[whole] = np.round(optimum[whole])
        start[whole] = np.round(start[whole])
        rotation, r = np.linalg.qr(rng.standard_normal((self.dim, self.dim)))
        if self.function in _SEPARABLE:
            rotation = np.eye(self.dim)
        else:
            rotation = rotation * np.sign(np.diag(r))
        return optimum, np.asarray(rotation), np.round(start, 6)


@functools.cache
def problems() -> tuple[Problem, ...]:
    plain = [Problem(name, dim, False) for name in FUNCTIONS for dim in DIMS]
    rounded = [Problem(name, dim, True) for name in FUNCTIONS for dim in ROUNDED_DIMS]
    return tuple(plain + rounded)


@functools.cache
def tuning_problems() -> tuple[Problem, ...]:
    """Those that constants may be tuned on."""
    return tuple(Problem(name, dim, False) for name in TUNING for dim in TUNING_DIMS)


def every_problem() -> tuple[Problem, ...]:
    return problems() + tuning_problems()
