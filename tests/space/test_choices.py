"""Choices with weights, of lists and mappings, of layers and inputs; constants."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autofinetune.space.parameters import ChoiceParameter, Constant


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_a_choice_is_as_likely_as_its_weight(counts: list[int]) -> None:
    total = sum(counts)
    weights = tuple(count / total for count in counts)
    parameter = ChoiceParameter("c", tuple(range(len(counts))), 0, weights)
    drawn = Counter(parameter.decode((2 * i + 1) / (2 * total)) for i in range(total))
    assert [drawn[index] for index in range(len(counts))] == counts
    for index in range(len(counts)):
        middle = parameter.encode(index)
        assert parameter.decode(middle) == index
        assert parameter.edge(index) < middle < parameter.edge(index + 1)
    assert [parameter.edge(0), parameter.edge(len(counts))] == [0.0, 1.0]
    last = len(counts) - 1
    assert [parameter.decode(u) for u in (-1.0, 0.0, 1.0, 2.0)] == [0, 0, last, last]


def test_neighbours_of_a_weighted_choice_are_all_others() -> None:
    parameter = ChoiceParameter("c", ("a", "b", "c"), "a", (0.5, 0.25, 0.25))
    assert [parameter.decode(u) for u in parameter.neighbours(0.6)] == ["a", "c"]


def test_what_is_written_is_what_is_given() -> None:
    parameter = ChoiceParameter("c", ("[1, 2]", 3), 3, written=([1, 2], 3))
    assert [parameter.given(value) for value in parameter.values()] == [[1, 2], 3]
    assert parameter.parse("[1, 2]") == "[1, 2]"
    with pytest.raises(ValueError, match="is not a value of c"):
        parameter.parse("[1,2]")


def test_layers_and_inputs_are_given_with_their_index() -> None:
    layers = ChoiceParameter("c", ("a", "b"), "a", kind="layer_choice")
    assert layers.given("b") == {"_value": "b", "_idx": 1}
    alike = ChoiceParameter("c", ("#0", "#1"), "#0", written=("", ""), kind="input_choice")
    assert alike.given("#1") == {"_value": [""], "_idx": [1]}
    perhaps = ChoiceParameter("c", ("a", None), "a", written=("a",), kind="input_choice")
    assert perhaps.given(None) == {"_value": [], "_idx": []}


def test_a_constant_can_stand_as_a_choice() -> None:
    assert Constant("c", 3).as_choice() == ChoiceParameter("c", (3,), 3)
    choice = Constant("c", [3], ("a", "b")).as_choice()
    assert (choice.choices, choice.path) == (("[3]",), ("a", "b"))
    assert choice.given("[3]") == [3]
