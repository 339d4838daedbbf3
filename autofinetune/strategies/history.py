"""The finished trials by parameter, and assumed results of running ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Parameter, Space, Value
from autofinetune.space.space import INACTIVE

from .base import Candidate
from .options import OPTIMIZE_MODE, Option

Array = NDArray[np.float64]
LIAR = Option(
    "worst",
    "the result that a running trial counts as; min and max are of the scores as train.py reports "
    "them, none leaves it out",
    words=("best", "worst", "mean", "min", "max", "none"),
)
LIAR_OPTIONS: Mapping[str, Option] = {**OPTIMIZE_MODE, "constant_liar_type": LIAR}


class Seen(NamedTuple):
    """The trials in which one parameter was active, in order; `(n,)` each."""

    coordinates: Array
    merits: Array
    trials: NDArray[np.intp]


class Table(NamedTuple):
    """Coordinates `(n, dim)`, NaN for inactive parameters, and merits `(n,)`."""

    coordinates: Array
    merits: Array

    def of(self, place: int) -> Seen:
        """Return the trials in which parameter number `place` was active."""
        trials = np.flatnonzero(~np.isnan(self.coordinates[:, place]))
        return Seen(self.coordinates[trials, place], self.merits[trials], trials)


class History:
    """The configurations of trials and their merits, -inf for failed ones."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._rows: list[tuple[float, ...]] = []
        self._merits: list[float] = []

    def add(self, candidate: Candidate, merit: float) -> None:
        """Add a finished trial; the merit of a failed one is NaN."""
        self._rows.append(self._row(candidate.params))
        self._merits.append(-np.inf if np.isnan(merit) else merit)

    def with_lies(self, pending: Mapping[int, Candidate], options: Mapping[str, Any]) -> Table:
        """Return all trials, with an assumed result (see `LIAR_OPTIONS`) for each pending one."""
        lie = self._lie(options["constant_liar_type"], options["optimize_mode"] == "minimize")
        rows, merits = self._rows, self._merits
        if lie is not None:
            rows = rows + [self._row(candidate.params) for candidate in pending.values()]
            merits = merits + [lie] * len(pending)
        return Table(np.array(rows).reshape(-1, self._space.dim), np.array(merits))

    def _row(self, params: Mapping[str, Value]) -> tuple[float, ...]:
        return tuple(p.encode(params[p.name]) if p.name in params else np.nan for p in self._space)

    def _lie(self, kind: str, minimizes: bool) -> float | None:
        """Return the assumed merit (higher is better in either direction), or None for `none`."""
        good = [merit for merit in self._merits if np.isfinite(merit)]
        if kind == "none":
            return None
        if not good:
            return 0.0  # any value will do, as it is the same for all
        if kind == "mean":
            return float(np.mean(good))
        return max(good) if kind in ("best", "min" if minimizes else "max") else min(good)


def choose_in_order(space: Space, choose: Callable[[int, Parameter], float]) -> Array:
    """Return a point `(dim,)`, calling `choose(place, parameter)` for each active coordinate."""
    point = np.full(space.dim, INACTIVE)
    params: dict[str, Value] = {}
    for place, parameter in enumerate(space):
        if space.is_active(parameter, params):
            point[place] = min(max(choose(place, parameter), 0.0), 1.0)
            params[parameter.name] = parameter.decode(float(point[place]))
    return point
