"""Learning curves to search over: LCBench's surrogate, real trainings, and difficult made ones."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autofinetune.space import Space, load_space
from benchmarks.fewer_epochs import real
from benchmarks.search_quality import tasks, yahpo
from benchmarks.search_quality.task import Params

Array = NDArray[np.float64]
MADE = ("crossing", "slow", "schedule", "diverging", "plateau", "peak", "unrelated")
_MADE_LENGTH = 50
_SAMPLE = 2000  # configurations by which a made problem is scaled


@dataclasses.dataclass(frozen=True)
class Problem:
    """Curves of `length` scores by configuration, higher is better; not a number once diverged.

    `best` and `median` are of final scores, by which regret is scaled.
    """

    name: str
    space: Space
    length: int
    curve: Callable[[Params], Array]
    best: float
    median: float


def load(name: str, data: Path | None) -> Problem:
    """Return `lcbench/INSTANCE`, `real/NAME` of `real.NAMES`, or `made/NAME` of `MADE`."""
    family, _, which = name.partition("/")
    if family == "made":
        return _made(which)
    if family == "real":
        best, median = real.scale(which)
        length, look_up = real.training(which).LENGTH, functools.partial(real.curve, which)
        return Problem(name, real.space(which), length, look_up, best, median)
    assert data is not None
    scale = tasks.load(name, data).scale

    def curve(params: Params) -> Array:
        return yahpo.learning_curve(data, which, params)

    return Problem(name, yahpo.space(), yahpo.EPOCHS, curve, scale.best, scale.median)


def names(patterns: str, data: Path | None) -> list[str]:
    """Return the problems that a list of patterns names; `heldout:6` is the first six of these."""
    found: list[str] = []
    for pattern in patterns.split(","):
        group, _, count = pattern.partition(":")
        if group == "made":
            found += [f"made/{name}" for name in MADE]
        elif group == "real":
            found += [f"real/{name}" for name in real.NAMES]
        elif group.startswith(("made/", "real/")):
            found.append(group)
        else:
            assert data is not None
            every = tasks.select([f"{yahpo.FAMILY}/*"], data)
            chosen = [name for name in every if name in tasks.select([group], data)]
            step = len(chosen) / int(count) if count else 1
            found += [chosen[int(n * step)] for n in range(int(count or len(chosen)))]
    return found


# --- made curves --------------------------------------------------------------------------------


def _made(which: str) -> Problem:
    space = load_space({"param_list": [_rate("a"), _rate("b"), _rate("c"), _rate("d")]})
    shape = _SHAPES[which]

    def curve(params: Params) -> Array:
        point = np.array([float(str(params[name])) for name in "abcd"])
        position = np.arange(1, _MADE_LENGTH + 1) / _MADE_LENGTH
        return shape(point, _quality(point), position)

    rng = np.random.default_rng(0)
    points = [dict(zip("abcd", row, strict=True)) for row in rng.random((_SAMPLE, 4)).tolist()]
    finals = np.array([curve(params)[-1] for params in points])
    top = max(curve(dict(zip("abcd", row, strict=True)))[-1] for row in _near_best(rng).tolist())
    best = max(float(finals.max()), float(top))
    return Problem(f"made/{which}", space, _MADE_LENGTH, curve, best, float(np.median(finals)))


def _rate(name: str) -> dict[str, object]:
    return {
        "name": name, "type": "float", "init_value": 0.9, "greater_than": 0.0, "lower_than": 1.0
    }  # fmt: skip


_TOP = np.array([0.3, 0.6, 0.45, 0.7])


def _quality(point: Array) -> float:
    """The final score, 1 at its maximum."""
    away = (point - _TOP) * np.array([2.0, 1.6, 1.2, 0.6])
    return float(np.exp(-(away**2).sum()) + 0.03 * np.cos(9.0 * away).mean() - 0.03)


def _near_best(rng: np.random.Generator) -> Array:
    return np.clip(_TOP + 0.05 * rng.standard_normal((_SAMPLE, 4)), 0.0, 1.0)


def _rising(end: float, speed: float, t: Array, low: float = -0.2) -> Array:
    """From `low` to `end`, exactly there at t = 1."""
    rise = (1.0 - np.exp(-speed * t)) / (1.0 - np.exp(-speed))
    return np.asarray(low + (end - low) * rise)


def _crossing(x: Array, end: float, t: Array) -> Array:
    """What is fast in the beginning ends lower: speed falls towards the best value of `a`."""
    return _rising(end, 1.5 + 10.0 * abs(x[0] - _TOP[0]), t)


def _slow(x: Array, end: float, t: Array) -> Array:
    """The better half of the range of `b` shows nothing in the first third of the training."""
    wait = 0.35 if x[1] > 0.45 else 0.0
    return _rising(end, 4.0, np.maximum(t - wait, 0.0) / (1.0 - wait))


def _schedule(x: Array, end: float, t: Array) -> Array:
    """A cosine schedule: half of the gain comes when the rate has fallen."""
    return np.asarray(
        0.5 * _rising(end, 5.0, t) + 0.5 * (-0.2 + (end + 0.2) * (0.5 - 0.5 * np.cos(np.pi * t)))
    )


def _diverging(x: Array, end: float, t: Array) -> Array:
    """A quarter of the space falls to -1000 at some time."""
    curve = _rising(end, 5.0, t)
    return np.where(t > 0.15 + 0.5 * x[2], -1000.0, curve) if x[0] > 0.75 else curve


def _plateau(x: Array, end: float, t: Array) -> Array:
    """All rise to the same early plateau, and leave it after 40 % of the training."""
    early = -0.2 + 0.3 * (1.0 - np.exp(-30.0 * t))
    late = np.clip((t - 0.4) / 0.6, 0.0, 1.0)
    return np.asarray(early + (end - early[-1]) * (1.0 - np.exp(-5.0 * late)) / (1 - np.exp(-5.0)))


def _peak(x: Array, end: float, t: Array) -> Array:
    """What overfits is best in the middle, by as much as `d` says, and gets worse."""
    over = 0.4 * max(0.0, x[3] - 0.5)
    return np.asarray(_rising(end, 8.0, t) + over * np.sin(np.pi * t))


def _unrelated(x: Array, end: float, t: Array) -> Array:
    """Reports say nothing about the end until it comes."""
    other = float(np.exp(-(((x - (1.0 - _TOP)) * 2.0) ** 2).sum()))
    return np.append(_rising(other, 4.0, t)[:-1], end)


_SHAPES: dict[str, Callable[[Array, float, Array], Array]] = {
    "crossing": _crossing,
    "slow": _slow,
    "schedule": _schedule,
    "diverging": _diverging,
    "plateau": _plateau,
    "peak": _peak,
    "unrelated": _unrelated,
}
