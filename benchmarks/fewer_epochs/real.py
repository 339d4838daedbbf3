"""Learning curves of real trainings, looked up in tables of every configuration's curve.

A space is a grid that `build.py` trained completely, as in `search_quality/trainings.py`. So a
look-up is the real training of exactly the configuration asked for; snapping points of a
continuous space to the nearest of a random design would show a search wrong neighbours, in
dimensions where 1,000 points are far apart. The best is known, too. Each configuration was trained
once, by random numbers of its own: curves have the noise that a search meets.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Space, load_space
from benchmarks.search_quality.task import Params

Array = NDArray[np.float64]
NAMES = ("digits", "cnn", "transformer", "boosting")
TABLES = Path(__file__).parent / "tables"
_UNITS = 10_000  # of a score in a table
_DIVERGED = np.iinfo(np.int32).min
_LOWEST = -100_000.0  # of a score in a table


def training(name: str) -> Any:
    """Return the module of `trainings`."""
    return importlib.import_module(f"benchmarks.fewer_epochs.trainings.{name}")


@functools.cache
def space(name: str) -> Space:
    return load_space({"param_list": training(name).PARAMETERS})


def configurations(name: str) -> list[Params]:
    """All of them, the last parameter changing fastest."""
    names = [parameter.name for parameter in space(name)]
    every = itertools.product(*(parameter.values() for parameter in space(name)))
    return [dict(zip(names, values, strict=True)) for values in every]


def save(name: str, curves: Array, versions: list[str]) -> None:
    """Write `(configurations, steps)` scores to four digits after the point."""
    units = np.round(np.maximum(curves, _LOWEST) * _UNITS)
    whole = np.where(np.isfinite(units), units, _DIVERGED).astype(np.int32)
    TABLES.mkdir(exist_ok=True)
    # Differences between steps are small numbers, which take a third of the space.
    steps = np.diff(whole, axis=1, prepend=np.int32(0))
    np.savez_compressed(TABLES / f"{name}.npz", steps=steps, versions=np.array(versions))


@functools.cache
def table(name: str) -> Array:
    """Scores `(configurations, steps)`, not a number where a training had diverged."""
    with np.load(TABLES / f"{name}.npz", allow_pickle=False) as file:
        whole = np.cumsum(file["steps"], axis=1, dtype=np.int32)
    return np.where(whole == _DIVERGED, np.nan, whole / _UNITS)


def curve(name: str, params: Params) -> Array:
    index = 0
    for parameter in space(name):
        values = parameter.values()
        index = index * len(values) + values.index(params[parameter.name])
    found: Array = table(name)[index]
    return found


def scale(name: str) -> tuple[float, float]:
    """Return the best and the median of final scores; diverged trainings are below all others."""
    finals = np.nan_to_num(table(name)[:, -1], nan=-np.inf)
    return float(finals.max()), float(np.median(finals))
