"""Ranges around a default."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.draft.shapes import (
    Shape,
    alpha,
    around,
    between,
    doubled,
    gamma,
    near,
    odd,
    small,
    switched,
)
from autofinetune.space import load_space

LR = around(10, 10, most=1.0)


@pytest.mark.parametrize(
    ("shape", "default", "low", "high"),
    [
        (LR, 0.001, 0.0001, 0.01), (LR, 0.1, 0.01, 1.0), (LR, 1.0, 0.1, 3.0),
        (LR, 20.0, 2.0, 60.0), (around(4, 4), 100, 25, 400), (around(10, 10), 1, 1, 10),
        (between(0.0, 0.5), 0.1, 0.0, 0.5), (between(0.0, 0.5, wider=(0.0, 0.9)), 0.6, 0.0, 0.9),
        (between(0.0, 0.5, wider=(0.0, 0.9)), 0.5, 0.0, 0.9), (between(0.5, 1.0), 1.0, 0.5, 1.0),
        (small(), 1, 1, 3), (small(), 2, 1, 4), (small(), 12, 6, 18), (near, 100, 50, 200),
        (near, 0.6, 0.3, 1.0), (near, 3, 1, 6), (near, -2.0, -4.0, -1.0),
        (gamma, 0.99, 0.9, 0.9999), (gamma, 0.7, 0.1, 0.95), (gamma, 0.05, 0.025, 0.95),
        (alpha, 0.5, 0.017, 1.0), (alpha, 1.0, 0.033, 30.0),
    ],
)  # fmt: skip
def test_ranges(shape: Shape, default: float, low: float, high: float) -> None:
    fields = shape(default, isinstance(default, int))
    assert fields is not None
    assert fields["init_value"] == default
    assert (fields["greater_than"], fields["lower_than"]) == (low, high)


@pytest.mark.parametrize(
    ("shape", "default", "choices"),
    [
        (doubled(2, 1), 64, [16, 32, 64, 128]), (doubled(2, 1), 20, [5, 10, 20, 40]),
        (doubled(1, 1), 1, [1, 2]), (doubled(1, 1), 768.0, [384.0, 768.0, 1536.0]),
        (odd, 3, [1, 3, 5, 7]), (switched, True, [False, True]),
        (around(1, 1, zero=(0.1,)), 0.0, [0.0, 0.1]),
    ],
)  # fmt: skip
def test_choices(shape: Shape, default: Any, choices: list[Any]) -> None:
    fields = shape(default, isinstance(default, int))
    assert fields is not None
    assert (fields["choices"], fields["init_value"]) == (choices, default)


@pytest.mark.parametrize(
    ("shape", "default"),
    [
        (LR, -1.0), (LR, 0.0), (LR, None), (LR, "x"), (LR, True), (between(0.0, 1.0), 2.0),
        (doubled(1, 1), 0), (doubled(1, 1), 0.5), (odd, 4), (odd, 3.0), (switched, 1),
        (small(), 0), (near, 0), (near, None), (near, float("inf")), (LR, float("nan")),
    ],
)  # fmt: skip
def test_defaults_that_do_not_fit(shape: Shape, default: Any) -> None:
    assert shape(default, isinstance(default, int)) is None


@pytest.mark.parametrize("shape", [LR, between(0, 1), doubled(2, 2), small(), near, gamma, alpha])
@pytest.mark.parametrize("default", [1e-300, 1e-8, 0.3333333333, 0.999999, 1, 7, 1023, 123456789])
def test_whatever_comes_out_can_be_loaded(shape: Shape, default: float) -> None:
    fields = shape(default, isinstance(default, int))
    if fields is not None:
        space = load_space({"param_list": [{"name": "x", **fields}]})
        assert space.init_params == {"x": default}
