"""Tournaments and mutations."""

from __future__ import annotations

from autofinetune.strategies.evolution import Evolution
from tests.helpers import conditional_space, space_of


def test_a_child_differs_from_the_winner_in_one_parameter() -> None:
    strategy = Evolution(space_of("float", "int", "choice", "log"), 3, 0,
                         options={"population_size": 5})  # fmt: skip
    for _ in range(40):
        (candidate,) = strategy.ask(1)
        strategy.tell(candidate, -sum(candidate.point))
    for _ in range(30):
        pair = strategy._tournament(strategy._number)
        assert pair is not None
        winner, loser = pair
        assert winner.merit >= loser.merit
        (child,) = strategy.ask(1)
        assert loser not in strategy._members
        different = [k for k, v in child.params.items() if v != winner.candidate.params[k]]
        assert len(different) == 1
        strategy.tell(child, None if child.id % 3 else 1.0)
        assert len(strategy._members) == 5


def test_what_a_mutation_makes_active_has_values() -> None:
    space = conditional_space()
    strategy = Evolution(space, 3, 1, options={"population_size": 4})
    kinds = set()
    for number in range(60):
        (candidate,) = strategy.ask(1)
        kinds.add(candidate.params["optimizer"])
        space.encode(candidate.params)
        strategy.tell(candidate, float(number))
    assert kinds == {"sgd", "lamb", "adam"}


def test_a_population_that_is_still_running_gets_random_members() -> None:
    strategy = Evolution(space_of("float"), 3, 0, options={"population_size": 2})
    assert len(strategy.ask(9)) == 9
