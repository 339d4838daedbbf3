"""A schedule of hyperparameters, one trial after the other."""

from __future__ import annotations

import pytest

from autofinetune.space import Value
from autofinetune.strategies import Exhausted, Replay
from tests.helpers import space_of

SPACE = space_of("float", "choice")
SCHEDULE: list[dict[str, Value]] = [{"x0": x / 4, "x1": "b"} for x in range(3)]


def test_each_trial_continues_the_one_before() -> None:
    strategy = Replay(SPACE, SCHEDULE)
    asked = []
    for number in range(3):
        (candidate,) = strategy.ask(4)
        assert strategy.ask(4) == []
        strategy.model_saved(candidate)
        strategy.tell(candidate, number / 10)
        asked.append(candidate)
    assert [(c.id, c.round, c.member, c.parent, c.params) for c in asked] == [
        (0, 0, 0, None, SCHEDULE[0]), (1, 1, 0, 0, SCHEDULE[1]), (2, 2, 0, 1, SCHEDULE[2]),
    ]  # fmt: skip
    with pytest.raises(Exhausted):
        strategy.ask(1)


@pytest.mark.parametrize(("score", "has_model"), [(None, True), (0.5, False), (None, False)])
def test_it_is_over_when_there_is_no_model_to_go_on_with(
    score: float | None, has_model: bool
) -> None:
    strategy = Replay(SPACE, SCHEDULE)
    (candidate,) = strategy.ask(1)
    if has_model:
        strategy.model_saved(candidate)
    strategy.tell(candidate, score)
    with pytest.raises(Exhausted):
        strategy.ask(1)


def test_it_is_restored() -> None:
    first, second = Replay(SPACE, SCHEDULE), Replay(SPACE, SCHEDULE)
    (candidate,) = first.ask(1)
    second.restore(candidate)
    assert second.ask(1) == []
    for strategy in (first, second):
        with pytest.raises(ValueError, match="cannot be restored"):
            strategy.restore(candidate)
        strategy.model_saved(candidate)
        strategy.tell(candidate, 0.5)
    assert first.ask(1) == second.ask(1)
    with pytest.raises(ValueError, match="not waiting"):
        second.tell(candidate, 0.5)
