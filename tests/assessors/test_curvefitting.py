"""Extrapolated learning curves: their predictions, and which trials are stopped."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autofinetune.assessors import create_assessor
from autofinetune.assessors.curvefitting import extrapolate

from .helpers import add, curves_of

FAMILIES: dict[str, Callable[[float], float]] = {
    "pow3": lambda x: 0.9 - 0.5 * x**-0.7,
    "exp": lambda x: 0.9 - 0.5 * math.exp(-0.2 * x),
    "hill": lambda x: 0.9 * x / (3 + x),
    "ilog2": lambda x: 0.9 - 0.4 / math.log(x + 1),
    "flat": lambda x: 0.3,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_known_curves_come_to_their_end(family: str) -> None:
    curve = FAMILIES[family]
    x = np.arange(1.0, 16.0)
    mean, spread = extrapolate(x, np.array([curve(k) for k in x.tolist()]), 40)
    assert abs(mean - curve(40)) < max(0.03, 2 * spread)
    assert spread < 0.15


def stops(
    merits: list[float], best: float = 0.9, direction: str = "maximize", **options: object
) -> bool:
    assessor = create_assessor("curvefitting", direction, {"epoch_num": 20, **options})
    assert assessor is not None
    curves = curves_of([[best] * 20])
    return bool(assessor.assess(add(curves, 9, merits), curves))


GOOD = [0.9 - 0.6 / x for x in range(1, 13)]
BAD = [0.5 - 0.3 / x for x in range(1, 13)]


def test_a_curve_that_ends_below_is_stopped_and_a_good_one_is_not() -> None:
    assert stops(BAD)
    assert not stops(GOOD)


def test_losses_are_merits_below_zero() -> None:
    def loss(level: float) -> list[float]:
        return [-(level + 1 / x) for x in range(1, 13)]

    assert stops(loss(2.0), best=-0.5, direction="minimize")
    assert not stops(loss(0.4), best=-0.5, direction="minimize")
    # 4 % above the best loss is within the threshold, whatever the sign
    assert not stops([-0.52] * 12, best=-0.5, direction="minimize")
    assert stops([-0.56] * 12, best=-0.5, direction="minimize")


def test_when_it_judges() -> None:
    assert not stops(BAD[:5])
    assert stops(BAD[:6], threshold=1.0) == stops(BAD[:6], threshold=1.0)
    assert [stops(BAD[:n], gap=3) for n in range(9, 13)] == [True, False, False, True]
    assert [stops(BAD[:n], start_step=9) for n in range(7, 11)] == [False, False, True, True]
    assert not stops(BAD, threshold=0.0)
    assert not stops([0.1] * 20)  # it is at its end


def test_nothing_is_stopped_before_a_trial_has_completed() -> None:
    assessor = create_assessor("curvefitting", "maximize", {"epoch_num": 20})
    assert assessor is not None
    curves = curves_of()
    assert assessor.assess(add(curves, 0, BAD), curves) == ""


def test_without_epoch_num_the_end_is_that_of_the_longest_completed_trial() -> None:
    assert stops(BAD, epoch_num=0)
    assert not stops([0.1] * 20, epoch_num=0)


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=300),
    st.integers(1, 10**6),
)
def test_any_numbers_give_numbers(merits: list[float], beyond: int) -> None:
    x = np.arange(1.0, len(merits) + 1.0)
    mean, spread = extrapolate(x, np.array(merits), len(merits) + beyond)
    assert math.isfinite(mean)
    assert spread >= 0
