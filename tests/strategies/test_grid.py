"""Grid search follows the order of the reference, and ends."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest

from autofinetune.space import Space, load_space
from autofinetune.space.parameters import FloatParameter
from autofinetune.strategies import Exhausted, create_strategy
from autofinetune.strategies.grid import combinations
from tests.helpers import conditional_space


@dataclass(frozen=True)
class Rounded(FloatParameter):
    """Return clip(round(x / q) * q, low, high) for an even x."""

    q: float = 1.0

    @property
    def size(self) -> int:
        return len({self.decode(number / 999) for number in range(1000)})

    def decode(self, u: float) -> float:
        inner = self.low + u * (self.high - self.low)
        return min(max(round(inner / self.q) * self.q, self.low), self.high)


def even(name: str) -> FloatParameter:
    return FloatParameter(name, 0.0, 1.0, 0.5)


def values(space: Space, count: int, grid_points: int = 0) -> list[list[object]]:
    """The first configurations, without names."""
    points = islice(combinations(space, grid_points), count)
    return [list(space.decode(point).values()) for point in points]


@pytest.mark.parametrize(
    ("parameter", "wanted"),
    [
        (Rounded("x", 0.0, 10.0, 5.0, q=2.5), [5, 2.5, 7.5, 0, 10]),
        (Rounded("x", 2.0, 10.0, 5.0, q=5.0), [5, 10, 2]),
    ],
    ids=["0,10,2.5", "2,10,5"],
)
def test_rounded_values_come_once_and_it_ends(parameter: Rounded, wanted: list[float]) -> None:
    assert [value for (value,) in values(Space((parameter,)), 99)] == wanted


def test_a_continuous_parameter_is_halved_for_ever() -> None:
    found = [value for (value,) in values(Space((even("x"),)), 9)]
    assert found == [0.5, 0.25, 0.75, 0.125, 0.375, 0.625, 0.875, 0.0625, 0.1875]


def test_only_combinations_with_something_new_follow() -> None:
    """The order is that of NNI 3.0 for two uniform parameters."""
    found = values(Space((even("x"), even("y"))), 10)
    assert found[0] == [0.5, 0.5]
    assert found[1:] == [
        [0.5, 0.25], [0.5, 0.75],
        [0.25, 0.5], [0.25, 0.25], [0.25, 0.75],
        [0.75, 0.5], [0.75, 0.25], [0.75, 0.75],
        [0.5, 0.125],
    ]  # fmt: skip


CHOICES = [
    {"name": "a", "type": "choice", "choices": ["p", "q"]},
    {"name": "b", "type": "int", "init_value": 1, "greater_than": 1, "lower_than": 3},
]


def test_choices_and_whole_numbers_are_a_plain_product() -> None:
    wanted: list[list[Any]] = [[a, b] for a in "pq" for b in (1, 2, 3)]
    assert values(load_space({"param_list": CHOICES}), 99) == wanted


def test_what_is_not_active_stays_out() -> None:
    found = [tuple(v) for v in values(conditional_space(finite=True), 99)]
    assert len(found) == len(set(found)) == 9
    assert [v for v in found if v[0] == "lamb"] == [("lamb", 0), ("lamb", 1)]


def test_a_given_number_of_points_is_evenly_spaced_and_ends() -> None:
    assert [v for (v,) in values(Space((even("x"),)), 99, 5)] == [0, 0.25, 0.5, 0.75, 1]
    assert [v for (v,) in values(Space((even("x"),)), 99, 1)] == [0.5]
    stepped = Space((Rounded("x", 0.0, 10.0, 5.0, q=5.0),))
    assert len(values(stepped, 99)) == 3


def test_initial_values_have_no_place_and_enqueued_ones_come_first() -> None:
    space = load_space({"param_list": CHOICES})
    strategy = create_strategy("GridSearch", space, popsize=2, seed=7)
    strategy.enqueue([{"a": "q", "b": 2}])
    asked = [list(c.params.values()) for c in strategy.ask(10)]
    assert asked == [["q", 2], ["p", 1], ["p", 2], ["p", 3], ["q", 1], ["q", 3]]
    with pytest.raises(Exhausted):
        strategy.ask(1)
