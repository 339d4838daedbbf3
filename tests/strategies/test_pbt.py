"""Which members continue, which copy others, and how far a copy moves."""

from __future__ import annotations

import numpy as np
import pytest

from autofinetune.space import load_space
from autofinetune.strategies.base import Candidate
from autofinetune.strategies.pbt import PBT
from tests.helpers import conditional_space, space_of


def pbt(**options: object) -> PBT:
    chosen = {"population_size": 5, "resample_probability": 0.0, **options}
    return PBT(space_of("float", "int", "choice"), 5, 0, True, chosen)


def end(strategy: PBT, candidate: Candidate, score: float | None) -> None:
    """Report that the trial saved a model and got this score."""
    strategy.model_saved(candidate)
    strategy.tell(candidate, score)


def test_the_worst_take_over_from_the_best_and_the_others_go_on() -> None:
    strategy = pbt(fraction=0.2)
    first = strategy.ask(5)
    assert [c.parent for c in first] == [None] * 5
    for candidate, score in zip(first, (3.0, 5.0, 1.0, 2.0, 4.0), strict=True):
        end(strategy, candidate, score)
    second = strategy.ask(5)
    assert [c.parent for c in second] == [0, 1, 1, 3, 4]
    for candidate, before in zip(second, first, strict=True):
        assert (candidate.params == before.params) == (candidate.id != 7)
    leader, follower = first[1], second[2]
    assert abs(follower.point[0] - leader.point[0]) == pytest.approx(0.2)
    assert abs(int(str(follower.params["x1"])) - int(str(leader.params["x1"]))) == 1


def test_no_member_waits_for_the_others() -> None:
    strategy = pbt()
    first = strategy.ask(5)
    parents = []
    for _ in range(3):
        end(strategy, first[0], 1.0)
        (first[0],) = strategy.ask(1)
        parents.append(first[0].parent)
    assert parents == [0, 5, 6]


def test_what_saved_no_model_is_not_continued_but_its_configuration_is() -> None:
    strategy = pbt(fraction=0.2)
    first = strategy.ask(5)
    for candidate in first:
        strategy.tell(candidate, float(candidate.id))
    second = strategy.ask(5)
    assert [c.parent for c in second] == [None] * 5
    assert [c.params for c in second[1:]] == [c.params for c in first[1:]]


def test_nothing_is_continued_where_trials_begin_from_scratch() -> None:
    strategy = PBT(space_of("float"), 5, 0, False, {"population_size": 5})
    for candidate in strategy.ask(5):
        end(strategy, candidate, 1.0)
    assert [c.parent for c in strategy.ask(5)] == [None] * 5


def test_a_failed_member_always_follows() -> None:
    strategy = pbt()
    first = strategy.ask(5)
    for candidate in first:
        end(strategy, candidate, 1.0 if candidate.id == 3 else None)
    assert [c.parent for c in strategy.ask(5)] == [3] * 5
    alone = pbt()
    for candidate in alone.ask(5):
        alone.tell(candidate, None)
    assert [c.parent for c in alone.ask(5)] == [None] * 5


def test_moves_end_at_the_bounds() -> None:
    strategy = pbt(factor=0.3)
    number, whole, choice = strategy.space.parameters
    assert strategy._moved(number, 0.9, True) == 1.0
    assert strategy._moved(number, 0.9, False) == pytest.approx(0.6)
    assert whole.decode(strategy._moved(whole, whole.encode(1000), True)) == 1000
    assert whole.decode(strategy._moved(whole, whole.encode(7), False)) == 6
    assert choice.decode(strategy._moved(choice, 0.1, True)) == "b"
    assert choice.decode(strategy._moved(choice, 0.1, False)) == "a"


def test_all_can_be_drawn_anew() -> None:
    strategy = pbt(resample_probability=1.0)
    (source,) = strategy.ask(1)
    drawn = np.array([strategy._changed(source, np.random.default_rng(s)) for s in range(200)])
    assert np.allclose(drawn.mean(0), 0.5, atol=0.1)


def test_without_continued_trials_no_configuration_comes_twice() -> None:
    entry = {"name": "x", "type": "float", "init_value": 0.5, "greater_than": 0, "lower_than": 1}
    strategy = PBT(load_space({"param_list": [entry]}), 3, 0, options={"population_size": 3})
    seen = []
    for _ in range(10):
        for candidate in strategy.ask(3):
            seen.append(candidate.params["x"])
            strategy.tell(candidate, 1.0)
    assert len(set(seen)) == 30


def test_children_of_a_choice_follow_it() -> None:
    space = conditional_space()
    strategy = PBT(space, 3, 2, True, {"population_size": 3, "fraction": 0.5})
    for _ in range(15):
        for candidate in strategy.ask(3):
            space.encode(candidate.params)
            strategy.tell(candidate, float(candidate.id % 5))
