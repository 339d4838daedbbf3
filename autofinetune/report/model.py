"""What the surrogate says about the hyperparameters of a run, as plain data for plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autofinetune.core.state import State, Trial
from autofinetune.space import Space
from autofinetune.surrogate import Features, GaussianProcess, clipped, fit
from autofinetune.surrogate.drawn import Draws
from autofinetune.surrogate.gp import condition
from autofinetune.surrogate.importance import Effects, Functions, PairEffect, effects, pair_effect

from .axes import numbers_at
from .correlation import correlations

Array = NDArray[np.float64]
LEAST = 4  # trials with a score
MOST_FITTED = 250  # trials from which the length scales are fitted
MOST = 600  # trials on which the process is conditioned
DRAWS = 64
CONFIDENCE = 0.9
_Z = 1.6448536269514722  # deviations of a normal distribution that hold CONFIDENCE
MOST_PAIRED = 4  # parameters whose pairs get a contour plot
_FINE = 48  # points of a slice
_OTHERS = 32  # values of all other parameters that are tried for whether a pair is active
_SEED = 0


@dataclass(frozen=True)
class _Fitted:
    """A process over `used` trials; its values f are the scores mean + sign * scale * f."""

    space: Space
    features: Features
    gp: GaussianProcess
    used: int
    mean: float
    scale: float
    sign: float

    def scores(self, values: Array) -> list[float]:
        return [float(v) for v in self.mean + self.sign * self.scale * np.asarray(values)]


def surrogate_of(state: State, space: Space) -> dict[str, Any]:
    """Return slices, contours, importance and correlation, or only `why` there are none.

    Score and estimate of completed and stopped trials count; failed trials do not.
    """
    trials = [t for t in state.trials.values() if t.status.is_final and state.told(t) is not None]
    trials, points, merits = _known(state, space, trials)
    why = ""
    if not space.dim:
        why = "The search space has no hyperparameters."
    elif len(merits) < LEAST:
        why = f"The surrogate needs {LEAST} trials with a score; there are {len(merits)} so far."
    elif not np.isfinite(np.ptp(merits)) or np.ptp(merits) == 0.0:
        why = "All scores are equal or too large to compare, so no hyperparameter stands out."
    if why:
        return {"why": why}
    sign = state.direction.merit(1.0)
    fitted = _fit(space, points, merits, sign)
    draws = Draws(fitted.gp, DRAWS, _SEED)

    def functions(some: Array) -> Array:
        return draws(fitted.features(some))

    found = effects(space, functions, _SEED)
    ranked = points[np.argsort(-merits, kind="stable")]
    return {
        "used": fitted.used,
        "known": len(merits),
        "noise": _noise(fitted.gp),
        "confidence": CONFIDENCE,
        "draws": DRAWS,
        "importance": _importance(found),
        "correlation": correlations(space, [t.params for t in trials], list(sign * merits)),
        "slices": [_slice(fitted, found, ranked, place) for place in range(space.dim)],
        "contours": _contours(fitted, functions, found),
    }


def _known(
    state: State, space: Space, trials: Sequence[Trial]
) -> tuple[list[Trial], Array, Array]:
    """Return the n trials that fit the space, their points `(n, dim)` and merits `(n,)`."""
    known, points, merits = [], [], []
    for trial in trials:
        try:
            point = space.encode(trial.params)
        except (ValueError, KeyError):
            continue  # the journal was changed
        known.append(trial)
        points.append(point)
        merits.append(state.told(trial))
    return known, np.array(points).reshape(-1, space.dim), np.array(merits, dtype=float)


def _fit(space: Space, points: Array, merits: Array, sign: float) -> _Fitted:
    values = clipped(merits)
    chosen = _sample(values, MOST)
    features = Features(space)
    x, values = features(points[chosen]), values[chosen]
    mean, scale = float(values.mean()), float(values.std()) or 1.0
    y = (values - mean) / scale
    some = _sample(values, MOST_FITTED)
    gp = fit(x[some], y[some], 40, features.lengths())
    if len(some) < len(x):
        gp = condition(x, y, gp.theta)
    return _Fitted(space, features, gp, len(x), sign * mean, scale, sign)


def _sample(values: Array, most: int) -> NDArray[np.intp]:
    """Return the indices of at most `most` trials: a tenth are the best, the others random."""
    if len(values) <= most:
        return np.arange(len(values))
    order = np.argsort(-values, kind="stable")
    best, others = order[: most // 10], order[most // 10 :]
    rng = np.random.default_rng(_SEED)
    return np.sort(np.concatenate([best, rng.choice(others, most - len(best), replace=False)]))


def _noise(gp: GaussianProcess) -> float:
    signal, noise = np.exp(gp.theta[-2:])
    return float(noise / (signal + noise))


def _interval(draws: Array) -> tuple[list[float], list[float]]:
    """Return the ends of the central interval over the last axis."""
    beside = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(draws, [beside, 1.0 - beside], axis=-1)
    return low.tolist(), high.tolist()


def _importance(found: Effects) -> dict[str, Any]:
    """Return the means and intervals of the shares over the draws, in the order of the space."""
    low, high = _interval(found.main[:, 1:])
    total_low, total_high = _interval(found.total[:, 1:])
    return {
        "main": found.main[:, 1:].mean(axis=1).tolist(),
        "low": low,
        "high": high,
        "total": found.total[:, 1:].mean(axis=1).tolist(),
        "total_low": total_low,
        "total_high": total_high,
    }


def _slice(fitted: _Fitted, found: Effects, ranked: Array, place: int) -> dict[str, Any]:
    """Return mean and band on a line through the best trial, and the mean over the space.

    `ranked` are the points of all trials, best first; the line is through the best one in which
    the parameter is active.
    """
    parameter, active = fitted.space.parameters[place], fitted.features.active
    levels = found.levels[place]
    is_fine = parameter.size is None or parameter.size > len(levels.at)
    at = (np.arange(_FINE) + 0.5) / _FINE if is_fine else levels.at
    best = ranked[int(np.argmax(active(ranked)[:, place]))]
    points = np.tile(best, (len(at), 1))
    points[:, place] = at
    mean, deviation = fitted.gp.predict(fitted.features(points))
    ends = (fitted.scores(mean + sign * _Z * deviation) for sign in (-fitted.sign, fitted.sign))
    return {
        "at": numbers_at(parameter, at),
        "mean": fitted.scores(mean),
        **dict(zip(("low", "high"), ends, strict=True)),
        "average_at": numbers_at(parameter, levels.at),
        "average": fitted.scores(found.curves[place][:, 0]),
    }


def _contours(fitted: _Fitted, functions: Functions, found: Effects) -> list[Mapping[str, Any]]:
    """Return the surfaces of the pairs of the most important parameters, the strongest first."""
    total = found.total[:, 1:].mean(axis=1)
    many = [
        place for place in np.argsort(-total, kind="stable") if len(found.levels[place].at) > 1
    ]
    pairs = combinations(sorted(int(place) for place in many[:MOST_PAIRED]), 2)
    contours = []
    for a, b in pairs:
        effect = pair_effect(fitted.space, functions, a, b, found.variance, _SEED)
        contours.append(_contour(fitted, effect, a, b))
    seen = [one for one in contours if any(z is not None for row in one["z"] for z in row)]
    return sorted(seen, key=lambda one: -one["share"])


def _contour(fitted: _Fitted, effect: PairEffect, a: int, b: int) -> dict[str, Any]:
    """Return the mean over all other parameters, with None where one of the two is inactive."""
    space, x, y = fitted.space, effect.a.at, effect.b.at
    low, high = _interval(effect.share[1:])
    z = np.array(fitted.scores(effect.surface[:, :, 0].ravel()), dtype=object)
    rng = np.random.default_rng(_SEED)
    points = rng.random((len(z), _OTHERS, space.dim))
    points[:, :, a] = np.repeat(x, len(y))[:, None]
    points[:, :, b] = np.tile(y, len(x))[:, None]
    active = fitted.features.active(points.reshape(-1, space.dim))[:, [a, b]].all(axis=1)
    z[~active.reshape(-1, _OTHERS).any(axis=1)] = None
    return {
        "x": a,
        "y": b,
        "x_at": numbers_at(space.parameters[a], x),
        "y_at": numbers_at(space.parameters[b], y),
        "z": z.reshape(len(x), -1).T.tolist(),
        "share": float(effect.share[1:].mean()),
        "share_low": low,
        "share_high": high,
    }
