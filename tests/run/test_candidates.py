"""Candidates are asked and told once, and asking is timed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from autofinetune.core.events import TrialCreated
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.errors import EnvironmentProblem
from autofinetune.run.candidates import Candidates
from autofinetune.strategies import Candidate, Exhausted
from tests.helpers import config_of, space_of, strategy_of


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Listed:
    """A strategy with a list of answers; asking takes `seconds`."""

    def __init__(self, clock: Clock, answers: list[int | None], seconds: float = 0.0) -> None:
        self.clock, self.answers, self.seconds = clock, answers, seconds
        self.told: list[tuple[int, float | None]] = []
        self.saved: list[int] = []

    def ask(self, count: int) -> Sequence[Candidate]:
        self.clock.seconds += self.seconds
        answer = self.answers.pop(0)
        if answer is None:
            raise Exhausted
        return [Candidate(number, 0, number, (0.5,), {}, None) for number in range(answer)]

    def restore(self, candidate: Candidate) -> None:
        if candidate.id != 7:
            raise ValueError("not this one")

    def tell(self, candidate: Candidate, merit: float | None) -> None:
        self.told.append((candidate.id, merit))

    def model_saved(self, candidate: Candidate) -> None:
        self.saved.append(candidate.id)


def candidates(answers: list[int | None], seconds: float = 0.0) -> tuple[Candidates, Listed]:
    clock = Clock()
    strategy = Listed(clock, answers, seconds)
    config = config_of(space_of("float"), tuning_strategy="listed")
    return Candidates(strategy, config, clock), strategy  # type: ignore[arg-type]


def ended(number: int, status: Status, *, has_model: bool = True) -> Trial:
    return Trial(number, 0, number, {}, None, status, has_model=has_model)


def test_a_strategy_that_needs_results_is_asked_again_after_one() -> None:
    found, strategy = candidates([2, 0, 1])
    assert [candidate.id for candidate in found.ask(2)] == [0, 1]
    assert found.can_ask
    assert found.ask(1) == []
    assert not found.can_ask
    found.tell(ended(0, Status.COMPLETED), 0.5)
    found.tell(ended(1, Status.FAILED), None)
    assert found.can_ask
    assert (strategy.told, strategy.saved) == ([(0, 0.5), (1, None)], [0])


def test_a_space_that_is_used_up_is_remembered() -> None:
    found, _ = candidates([None])
    assert list(found.ask(1)) == []
    assert found.exhausted


@pytest.mark.parametrize(("answers", "wanted"), [([1], False), ([None], True)])
def test_whether_anything_was_left(answers: list[int | None], wanted: bool) -> None:
    found, _ = candidates(answers)
    assert found.are_used_up(State()) is wanted
    waiting = State()
    waiting.queued.add(3)
    assert candidates([None])[0].are_used_up(waiting) is False


def test_asking_ahead_is_worth_it_where_asking_is_slow_compared_with_training() -> None:
    found, _ = candidates([1], seconds=2.0)
    state = State()
    found.ask(1)
    assert found.is_slow
    assert not found.is_worth_asking_ahead(state)  # nothing has ended yet
    state.counts[Status.COMPLETED], state.busy_seconds = 1, 100.0
    assert found.is_worth_asking_ahead(state)
    state.busy_seconds = 1000.0
    assert not found.is_worth_asking_ahead(state)


def test_a_candidate_that_does_not_fit_is_the_journal_of_another_version() -> None:
    found, _ = candidates([])
    event = TrialCreated(1.0, 7, 0, 0, (0.5,), {}, None)
    found.restore(event)
    found.tell(ended(7, Status.COMPLETED), 0.5)
    with pytest.raises(EnvironmentProblem, match=r"trial 8 .* does not fit .* listed"):
        found.restore(dataclasses.replace(event, trial=8))


@pytest.mark.parametrize("point", [(), (0.5, 0.5), (1.5,), (-1e308,)])
def test_a_point_that_is_not_in_the_space_is_refused(point: tuple[float, ...]) -> None:
    found, _ = candidates([])
    with pytest.raises(EnvironmentProblem, match="not one of the space, which has 1 dimensions"):
        found.restore(TrialCreated(1.0, 7, 0, 0, point, {}, None))


def test_a_real_strategy_is_asked() -> None:
    config = config_of()
    found = Candidates(strategy_of(config), config, Clock())
    assert len(found.ask(2)) == 2
