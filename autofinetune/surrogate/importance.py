"""The importance of hyperparameters: functional analysis of variance of the surrogate.

A function f of the unit cube is split into a mean, an effect of each parameter, one of each pair,
and so on (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
Importance", ICML 2014):

    f_j(u) = E[f | u_j = u],   main_j = Var f_j / Var f
    total_j = E[Var[f | all but u_j]] / Var f
    pair_jk = (Var E[f | u_j, u_k] - Var f_j - Var f_k) / Var f

`total_j` also counts the interactions with other parameters (Homma and Saltelli, 1996). The cube
is that of the search: a coordinate is uniform, so logarithmic scales, distributions and
probabilities of choices count as they are searched. Where a parameter is inactive, f does not
depend on it. The paper takes f from a random forest; here it is drawn from the posterior of the
Gaussian process, and the spread over the draws is that of the importance. Expectations are means
over a Latin hypercube.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import DiscreteParameter, Parameter, Space

Array = NDArray[np.float64]
Functions: TypeAlias = Callable[[Array], Array]
_LEVELS = 16  # of a parameter with more values
_MOST_LEVELS = 32
_WORK = 40_000  # evaluations for all parameters together
_PAIR_WORK = 6_000  # evaluations for one pair
_PAIR_LEVELS = 12


@dataclass(frozen=True)
class Levels:
    """Coordinates of a parameter and their weights, which add up to 1; both `(levels,)`."""

    at: Array
    weights: Array


@dataclass(frozen=True)
class Effects:
    """The effects of single parameters on `count` functions.

    `main` and `total` are shares of the variance, `(dim, count)`; `curves[j]` are the functions
    f_j at `levels[j]`, `(levels, count)`; `variance` `(count,)` is that of each function.
    """

    levels: tuple[Levels, ...]
    curves: tuple[Array, ...]
    main: Array
    total: Array
    variance: Array


@dataclass(frozen=True)
class PairEffect:
    """E[f | u_a, u_b] at the levels of two parameters, `(levels, levels, count)`.

    `share` `(count,)` is the share of their interaction in the variance.
    """

    a: Levels
    b: Levels
    surface: Array
    share: Array


def levels_of(parameter: Parameter, most: int = _MOST_LEVELS, count: int = _LEVELS) -> Levels:
    """Return the cells of a parameter with few values, else equal parts of its interval."""
    if isinstance(parameter, DiscreteParameter) and parameter.size <= most:
        edges = np.array([parameter.edge(index) for index in range(parameter.size + 1)])
        middles = np.array([parameter.middle(index) for index in range(parameter.size)])
        return Levels(middles, np.diff(edges))
    return Levels((np.arange(count) + 0.5) / count, np.full(count, 1.0 / count))


def effects(space: Space, functions: Functions, seed: int) -> Effects:
    """Return the effects of the parameters.

    Args:
        functions: values `(m, count)` of the functions at points `(m, dim)`.
    """
    levels = tuple(levels_of(parameter) for parameter in space)
    work = sum(len(one.at) for one in levels)
    base = _hypercube(int(np.clip(_WORK // work, 64, 512)), space.dim, seed)
    curves, inner, outer = [], [], []
    for place, one in enumerate(levels):
        values = functions(_with(base, {place: one.at})).reshape(len(one.at), len(base), -1)
        curve = values.mean(axis=1)
        mean = _weighted(values, one.weights)  # (base, count)
        within = _weighted((values - mean) ** 2, one.weights)
        curves.append(curve)
        inner.append((_variance(curve, one.weights), within.mean(axis=0)))
        outer.append(within.mean(axis=0) + mean.var(axis=0))
    variance = np.mean(outer, axis=0)
    shares = np.array(inner) / np.maximum(variance, np.finfo(float).tiny)
    shares = np.clip(shares, 0.0, 1.0)
    return Effects(levels, tuple(curves), shares[:, 0], shares[:, 1], variance)


def pair_effect(
    space: Space, functions: Functions, first: int, second: int, variance: Array, seed: int
) -> PairEffect:
    """Return the joint effect of two parameters, given by their places in the space.

    `functions` are as for `effects`, `variance` is that of its result.
    """
    a, b = (
        levels_of(space.parameters[place], _PAIR_LEVELS, _PAIR_LEVELS) for place in (first, second)
    )
    size = len(a.at) * len(b.at)
    base = _hypercube(int(np.clip(_PAIR_WORK // size, 32, 256)), space.dim, seed)
    grid = {first: np.repeat(a.at, len(b.at)), second: np.tile(b.at, len(a.at))}
    values = functions(_with(base, grid)).reshape(size, len(base), -1).mean(axis=1)
    surface = values.reshape(len(a.at), len(b.at), -1)
    main_a = np.einsum("abs,b->as", surface, b.weights)
    main_b = np.einsum("abs,a->bs", surface, a.weights)
    joint = _variance(values, np.outer(a.weights, b.weights).ravel())
    rest = joint - _variance(main_a, a.weights) - _variance(main_b, b.weights)
    share = np.clip(rest / np.maximum(variance, np.finfo(float).tiny), 0.0, 1.0)
    return PairEffect(a, b, surface, share)


def _with(base: Array, levels: dict[int, Array]) -> Array:
    """Return all of `base` `(n, dim)` at each level of some coordinates, `(levels * n, dim)`."""
    count = len(next(iter(levels.values())))
    points = np.tile(base, (count, 1))
    for place, at in levels.items():
        points[:, place] = np.repeat(at, len(base))
    return points


def _hypercube(count: int, dim: int, seed: int) -> Array:
    """Return `count` points, one in each of as many equal parts of every axis; `(count, dim)`."""
    rng = np.random.default_rng(seed)
    places = np.array([rng.permutation(count) for _ in range(dim)]).T
    return np.asarray((places + rng.random((count, dim))) / count)


def _weighted(values: Array, weights: Array) -> Array:
    """Return the weighted mean over the first axis."""
    return np.tensordot(weights, values, axes=1)


def _variance(values: Array, weights: Array) -> Array:
    """Return the weighted variance over the first axis."""
    return _weighted((values - _weighted(values, weights)) ** 2, weights)
