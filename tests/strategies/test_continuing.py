"""A surrogate decides what is trained anew, what goes on, and what is changed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

import pytest

from autofinetune.space import Space
from autofinetune.strategies import Candidate, create_strategy
from autofinetune.strategies.continuing import FIRST, ContinuedTraining
from tests.helpers import conditional_space, space_of

MIXED = space_of("float", "log", "int", "choice")
Told = tuple[float | None, bool]


def make(
    popsize: int = 4,
    schedule: str = "round",
    space: Space = MIXED,
    rounds: int | None = 12,
    inner: str = "pshe2",
) -> ContinuedTraining:
    fresh = create_strategy(inner, space, popsize=1, seed=3, allow_repeats=True)
    return ContinuedTraining(fresh, popsize, schedule, rounds)


class Training:
    """What a chain scores: by its last hyperparameters, or by the mean over all of its trials."""

    def __init__(self, is_lasting: bool = True) -> None:
        self.chains: dict[int, list[tuple[float, ...]]] = {}
        self.is_lasting = is_lasting

    def __call__(self, candidate: Candidate) -> Told:
        before = [] if candidate.parent is None else self.chains[candidate.parent]
        chain = self.chains[candidate.id] = [*before, candidate.point]
        counted = chain if self.is_lasting else chain[-1:]
        losses = [sum((u - 0.3) ** 2 for u in point) for point in counted]
        return -sum(losses) / len(losses) - 1.0 / len(chain), True


def by_point(candidate: Candidate) -> Told:
    """Every seventh trial fails, every eleventh saves no model."""
    merit = None if candidate.id % 7 == 6 else -sum((u - 0.3) ** 2 for u in candidate.point)
    return merit, candidate.id % 11 != 10


def tell(strategy: ContinuedTraining, candidate: Candidate, told: Told) -> None:
    merit, has_model = told
    if has_model:
        strategy.model_saved(candidate)
    strategy.tell(candidate, merit)


def play(
    strategy: ContinuedTraining, rounds: int, score: Callable[[Candidate], Told]
) -> list[Candidate]:
    asked = []
    for _ in range(rounds):
        batch = strategy.ask(strategy.popsize)
        asked += batch
        for candidate in batch:
            tell(strategy, candidate, score(candidate))
    return asked


def kinds(asked: list[Candidate]) -> tuple[int, int, int]:
    """Return how many start, go on, and go on with a change."""
    starts = sum(one.parent is None for one in asked)
    own = sum(one.parent is not None and one.params == asked[one.parent].params for one in asked)
    return starts, own, len(asked) - starts - own


def test_where_a_bad_start_counts_to_the_end_models_are_rarely_changed() -> None:
    starts, own, changed = kinds(play(make(), 9, Training(is_lasting=True)))
    assert starts + own > 2 * changed
    assert min(starts, own) > 6


def test_where_it_does_not_most_trials_change_a_model() -> None:
    starts, own, changed = kinds(play(make(), 9, Training(is_lasting=False)))
    assert changed > starts + own


def test_the_strategy_of_the_run_proposes_the_first_starts_and_learns_their_scores() -> None:
    strategy = make(popsize=12)
    fresh = create_strategy("pshe2", MIXED, popsize=1, seed=3, allow_repeats=True)
    wanted = [one.params for one in fresh.ask(FIRST)]
    assert [one.params for one in strategy.ask(12)][:FIRST] == wanted


def test_a_model_goes_on_with_its_own_hyperparameters_once() -> None:
    asked = play(make(), 8, by_point)
    own = [
        one.parent
        for one in asked
        if one.parent is not None and one.params == asked[one.parent].params
    ]
    assert own
    assert len(own) == len(set(own))


def test_who_failed_or_saved_nothing_is_no_parent() -> None:
    asked = play(make(popsize=3), 10, by_point)
    told = {one.id: by_point(one) for one in asked}
    parents = [told[one.parent] for one in asked if one.parent is not None]
    assert parents
    assert all(merit is not None and has_model for merit, has_model in parents)


def test_without_models_every_trial_is_one_of_the_strategy_of_the_run() -> None:
    strategy = make(popsize=2)
    asked = play(strategy, 8, lambda one: (by_point(one)[0], False))
    assert {one.parent for one in asked} == {None}
    assert strategy._start_count == 16


@pytest.mark.parametrize("popsize", [1, 2])
def test_small_populations_and_finite_spaces(popsize: int) -> None:
    space = space_of("choice")
    asked = play(make(popsize, space=space, inner="random"), 10, by_point)
    assert len(asked) == 10 * popsize
    assert len({tuple(one.params.values()) for one in asked}) == space.size


@pytest.mark.parametrize(
    ("space", "schedule"),
    [(MIXED, "async"), (conditional_space(), "round")],
    ids=["mixed", "conditional"],
)
def test_it_is_restored_from_any_place(schedule: str, space: Space) -> None:
    strategy = make(3, schedule, space, 30)
    shuffler = random.Random(1)
    happened: list[tuple[str, Candidate]] = []
    waiting: list[Candidate] = []
    while len(happened) < 44:
        asked = strategy.ask(shuffler.randint(1, 2)) if len(waiting) < 5 else []
        happened += [("ask", candidate) for candidate in asked]
        waiting += asked
        if not asked or shuffler.random() < 0.3:
            told = waiting.pop(shuffler.randrange(len(waiting)))
            tell(strategy, told, by_point(told))
            happened.append(("tell", told))
    asks = [cut for cut, (what, _) in enumerate(happened) if what == "ask"]
    for cut in asks[::6]:
        strategy = make(3, schedule, space, 30)
        for earlier, candidate in happened[:cut]:
            if earlier == "ask":
                strategy.restore(candidate)
            else:
                tell(strategy, candidate, by_point(candidate))
        assert strategy.ask(1) == [happened[cut][1]]


def test_a_parent_without_a_model_is_refused() -> None:
    strategy = make()
    play(strategy, 1, by_point)
    (candidate,) = strategy.ask(1)
    fresh = make()
    play(fresh, 1, by_point)
    with pytest.raises(ValueError, match="no model that could be continued"):
        fresh.restore(dataclasses.replace(candidate, parent=99))


def test_by_rounds_the_order_of_tells_and_the_size_of_asks_change_nothing() -> None:
    wanted = play(make(), 5, by_point)
    strategy, shuffler = make(), random.Random(1)
    asked: list[Candidate] = []
    waiting: list[Candidate] = []
    while len(asked) < len(wanted):
        batch = strategy.ask(shuffler.randint(1, 3))
        asked += batch
        waiting += batch
        if not batch or shuffler.random() < 0.5:
            chosen = waiting.pop(shuffler.randrange(len(waiting)))
            tell(strategy, chosen, by_point(chosen))
    assert asked[: len(wanted)] == wanted
