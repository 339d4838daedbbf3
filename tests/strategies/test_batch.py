"""Batch asks the listed configurations."""

from __future__ import annotations

import pytest

from autofinetune.errors import UsageError
from autofinetune.space import Value, load_space
from autofinetune.strategies import Exhausted, Known, create_strategy
from tests.helpers import space_of


def test_the_values_of_a_single_choice_come_in_their_order() -> None:
    rates = [0.0001, 0.1, 0.01]
    entry = {"name": "learning_rate", "type": "choice", "choices": rates, "init_value": 0.1}
    strategy = create_strategy(
        "BatchTuner", load_space({"param_list": [entry]}), popsize=2, seed=0
    )
    strategy.enqueue([])
    assert [c.params["learning_rate"] for c in strategy.ask(9)] == rates
    with pytest.raises(Exhausted):
        strategy.ask(1)


def test_the_enqueued_configurations_come_in_their_order() -> None:
    space = space_of("float", "choice")
    strategy = create_strategy("batch", space, popsize=2, seed=0)
    listed: list[dict[str, Value]] = [
        {"x0": 0.75, "x1": "b"}, dict(space.init_params), {"x0": 0.25, "x1": "a"},
    ]  # fmt: skip
    strategy.enqueue(listed)
    strategy.remember([Known({"x0": 0.5, "x1": "b"}, 1.0)])
    assert [c.params for c in strategy.ask(9)] == listed
    with pytest.raises(Exhausted):
        strategy.ask(1)


def test_without_a_list_it_says_how_to_give_one() -> None:
    strategy = create_strategy("batch", space_of("float"), popsize=2, seed=0)
    for action in (lambda: strategy.enqueue([]), lambda: strategy.ask(1)):
        with pytest.raises(UsageError, match="no list of configurations"):
            action()
