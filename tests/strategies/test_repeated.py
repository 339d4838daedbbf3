"""Training every configuration several times, as a wrapper around a strategy."""

from __future__ import annotations

import pytest

from autofinetune.strategies import Candidate, Exhausted, Repeated, Strategy, create_strategy
from autofinetune.strategies.pshe2 import PSHE2
from tests.helpers import space_of

SPACE = space_of("float", "int")


def inner(seed: int = 0) -> Strategy:
    return create_strategy("pshe2", SPACE, popsize=3, seed=seed, schedule="round")


def test_each_configuration_comes_so_often_with_numbers_of_its_own() -> None:
    strategy = Repeated(inner(), 2)
    asked = strategy.ask(4) + strategy.ask(9)
    assert [c.id for c in asked] == list(range(6))
    assert [c.member for c in asked] == list(range(6))
    assert [c.params for c in asked[::2]] == [c.params for c in asked[1::2]]
    assert [c.params for c in asked[::2]] == [c.params for c in inner().ask(3)]
    assert strategy.popsize == 6


class Listening(PSHE2):
    """Records the scores that it is told."""

    def __init__(self) -> None:
        super().__init__(SPACE, 3, 0)
        self.told: list[tuple[int, float | None]] = []

    def tell(self, candidate: Candidate, score: float | None) -> None:
        self.told.append((candidate.id, score))
        super().tell(candidate, score)


def test_the_mean_of_the_good_ones_is_told() -> None:
    other = Listening()
    strategy = Repeated(other, 2)
    asked = strategy.ask(6)
    for candidate, score in zip(asked, [1.0, 3.0, None, 5.0, None, None], strict=True):
        strategy.tell(candidate, score)
    assert other.told == [(0, 2.0), (1, 5.0), (2, None)]
    assert strategy.ask(1)[0].round == 1


def test_restored_candidates_are_not_asked_again() -> None:
    first = Repeated(inner(), 2)
    asked = first.ask(6)
    second = Repeated(inner(), 2)
    for candidate in asked[:3]:
        second.restore(candidate)
    assert second.ask(6) == asked[3:]
    for candidate in asked:
        for strategy in (first, second):
            strategy.tell(candidate, float(candidate.id))
    assert first.ask(6) == second.ask(6)


def test_what_does_not_fit_is_refused() -> None:
    strategy = Repeated(inner(), 2)
    asked = Repeated(inner(), 2).ask(6)
    with pytest.raises(ValueError, match="cannot be restored"):
        strategy.restore(asked[1])
    strategy.restore(asked[0])
    with pytest.raises(ValueError, match="cannot be restored"):
        strategy.restore(asked[2])
    with pytest.raises(ValueError, match="not waiting"):
        strategy.tell(asked[1], 0.5)
    with pytest.raises(ValueError, match="finite"):
        strategy.tell(asked[0], float("nan"))


def test_a_used_up_space_is_told() -> None:
    """The space is not used up before the last candidate, however many are asked at once."""
    space = space_of("choice")
    assert space.size is not None
    strategy = Repeated(create_strategy("pshe2", space, popsize=2, seed=0), 2)
    asked = []
    with pytest.raises(Exhausted):
        for _ in range(10):
            for candidate in strategy.ask(3):
                asked.append(candidate.id)
                strategy.tell(candidate, 0.5)
    assert asked == list(range(2 * space.size))
