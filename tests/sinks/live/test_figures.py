"""Numbers in few characters."""

from __future__ import annotations

import math

import pytest

from autofinetune.sinks.live import figures


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"),
     (6000, "1 h 40 min"), (172_000, "47 h 47 min"), (200_000, "2 d 7 h")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0M"), (5 << 20, "5M"), (999 << 20, "999M"), (1 << 30, "1.0G"), (139 << 30, "139G")],
)
def test_sizes(count: int, text: str) -> None:
    assert figures.size(count) == text


def test_a_clock_of_another_day_has_a_date() -> None:
    assert len(figures.clock(1e9, 1e9 + 1)) == 5
    assert figures.clock(1e9 + 10 * 86400, 1e9).startswith("2001-09-")


def test_hyperparameters_are_short_and_safe() -> None:
    params = {"lr": 0.00123456789, "n": 3, "a\nb": "x\x1b[0m", "on": True}
    assert figures.pairs(params) == ["lr=0.001235", "n=3", "a\\nb=x\\x1b[0m", "on=True"]


def test_a_sparkline_spans_its_values() -> None:
    assert figures.sparkline([], 9) == ""
    assert figures.sparkline([1.0], 0) == ""
    assert figures.sparkline([1, 2, 3], 9) == "▁▅█"
    assert figures.sparkline([2.0, 2.0], 9) == "▄▄"
    assert figures.sparkline([-1e308, 1e308], 9) == "▁█"
    assert figures.sparkline([0, 1], 9, figures.PLAIN_BARS) == "_#"
    assert figures.sparkline(range(1000), 8) == figures.BARS
    assert figures.sparkline(range(1000), 1) == "▄"
    assert not math.isnan(len(figures.sparkline([0.0, 5e-324], 9)))


def test_the_best_score_so_far_is_held_until_the_next() -> None:
    assert figures.best_so_far([], 5, 9) == []
    assert figures.best_so_far([(3, 0.5)], 3, 9) == [0.5]
    assert figures.best_so_far([(1, 0.1), (4, 0.4)], 5, 9) == [0.1, 0.1, 0.1, 0.4, 0.4]
    curve = figures.best_so_far([(1, 0.0), (500, 1.0)], 1000, 10)
    assert len(curve) == 10
    assert curve == sorted(curve)
    assert (curve[0], curve[-1]) == (0.0, 1.0)
