"""Population-based training: who continues which model, with which hyperparameters."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest

from autofinetune.space import Space, Value
from autofinetune.strategies import Candidate, Known, create_strategy
from autofinetune.strategies.training import GRACE, Chain, PopulationTraining
from tests.helpers import conditional_space, space_of

MIXED = space_of("float", "log", "int", "choice")
Told = tuple[float | None, bool]


def make(
    popsize: int = 5,
    schedule: str = "round",
    space: Space = MIXED,
    rounds: int | None = None,
    inner: str = "pshe2",
    seed: int = 3,
) -> PopulationTraining:
    fresh = create_strategy(inner, space, popsize=1, seed=seed, allow_repeats=True)
    return PopulationTraining(fresh, popsize, schedule, rounds)


def tell(strategy: PopulationTraining, candidate: Candidate, told: Told) -> None:
    merit, has_model = told
    if has_model:
        strategy.model_saved(candidate)
    strategy.tell(candidate, merit)


def by_point(candidate: Candidate) -> Told:
    """A score from the point alone; every seventh trial fails, every eleventh saves no model."""
    merit = None if candidate.id % 7 == 6 else -sum((u - 0.3) ** 2 for u in candidate.point)
    return merit, candidate.id % 11 != 10


def by_member(candidate: Candidate) -> Told:
    """Member 0 is best and the last one worst; every round is better than the previous one."""
    return candidate.round * 10.0 - candidate.member, True


def play(
    strategy: PopulationTraining, rounds: int, score: Callable[[Candidate], Told] = by_point
) -> list[Candidate]:
    asked = []
    for _ in range(rounds):
        batch = strategy.ask(strategy.popsize)
        asked += batch
        for candidate in batch:
            tell(strategy, candidate, score(candidate))
    return asked


def rows(asked: list[Candidate], popsize: int = 5) -> list[list[Candidate]]:
    return [asked[start : start + popsize] for start in range(0, len(asked), popsize)]


def test_the_search_strategy_proposes_the_first_population() -> None:
    fresh = create_strategy("pshe2", MIXED, popsize=1, seed=3, allow_repeats=True)
    first = make().ask(9)
    assert [c.params for c in first] == [c.params for c in fresh.ask(5)]
    assert [(c.id, c.round, c.member, c.parent) for c in first] == [
        (n, 0, n, None) for n in range(5)
    ]


def test_a_member_that_comes_late_begins_from_scratch_too() -> None:
    strategy = make(schedule="async")
    (early,) = strategy.ask(1)
    tell(strategy, early, (1.0, True))
    assert [(c.member, c.parent) for c in strategy.ask(5)] == [
        (1, None), (2, None), (3, None), (4, None), (0, 0),
    ]  # fmt: skip


def test_given_configurations_come_first() -> None:
    strategy = make()
    params: list[dict[str, Value]] = [{"x0": x, "x1": 0.5, "x2": 7, "x3": "b"} for x in (0.1, 0.2)]
    strategy.enqueue([params[0]])
    strategy.remember([Known(params[1], 1.0)])
    assert [c.params for c in strategy.ask(3)] == [MIXED.init_params, *params]


def test_members_go_on_with_what_is_theirs_and_the_worst_takes_over_from_the_best() -> None:
    asked = rows(play(make(), 5, by_member))
    for before, now in pairwise(asked):
        for old, new in zip(before[:-1], now[:-1], strict=True):
            assert (new.parent, new.params, new.point) == (old.id, old.params, old.point)
    assert asked[1][4].parent == asked[0][4].id  # not after the first interval
    for before, now in pairwise(asked[1:]):
        last = now[4]
        assert last.parent in (None, before[0].id)
        assert last.parent is None or last.params != before[0].params


def test_a_member_of_one_changes_itself() -> None:
    asked = play(make(popsize=1, rounds=2), 6, lambda c: (float(c.id), True))
    assert [c.parent for c in asked] == [None, 0, 1, 2, 3, 4]
    assert len({c.point for c in asked}) == 5


def test_a_member_that_stalls_changes_its_own_hyperparameters() -> None:
    def score(candidate: Candidate) -> Told:
        return (99.0, True) if candidate.member == 2 else by_member(candidate)

    asked = rows(play(make(popsize=5), 4, score))
    assert asked[3][2].parent == asked[2][2].id
    assert asked[3][2].params != asked[2][2].params
    assert asked[2][2].params == asked[1][2].params == asked[0][2].params


def test_who_saved_nothing_is_no_parent() -> None:
    asked = play(make(), 12)
    told = {c.id: by_point(c) for c in asked}
    for candidate in asked:
        if candidate.parent is not None:
            merit, has_model = told[candidate.parent]
            assert merit is not None
            assert has_model
            assert candidate.parent < 5 * candidate.round


def test_a_failed_member_continues_one_of_the_best_models_of_all_rounds() -> None:
    strategy = make(popsize=3)
    play(strategy, 3, by_member)
    last = strategy.ask(3)
    for candidate in last:
        strategy.tell(candidate, None)
    again = strategy.ask(3)
    assert {c.parent for c in again} <= {6, 7, 8}  # the last round without failures
    assert all(c.params != last[c.member].params for c in again)


def test_without_models_every_trial_is_from_scratch() -> None:
    strategy = make(popsize=2)
    fresh = create_strategy("pshe2", MIXED, popsize=1, seed=3, allow_repeats=True)
    asked = play(strategy, 8, lambda c: (by_point(c)[0], False))
    assert {c.parent for c in asked} == {None}
    assert [c.params for c in asked[:2]] == [c.params for c in fresh.ask(2)]
    assert len({c.point for c in asked}) == 16


def test_some_of_the_worst_start_from_scratch_and_are_left_in_peace_at_first() -> None:
    def score(candidate: Candidate) -> Told:
        born = candidate.id if candidate.parent is None else births[candidate.parent]
        births[candidate.id] = born
        is_late = born >= 5
        return candidate.round - 100.0 * is_late + candidate.member / 10, True

    births: dict[int, int] = {}
    asked = rows(play(make(rounds=40), 40, score))
    starts = [c for row in asked[1:] for c in row if c.parent is None]
    assert starts
    assert all(c.round < 20 for c in starts)
    for start in starts:
        for later in range(1, GRACE):
            child = asked[start.round + later][start.member]
            assert child.parent == asked[start.round + later - 1][start.member].id


def test_chains_are_compared_at_equal_age() -> None:
    """A young chain that is ahead of the others at its age ranks first."""
    strategy = make(popsize=4)
    first = strategy.ask(4)
    merits = [(0.0, 10.0, 20.0), (1.0, 9.0, 21.0), (2.0, 8.0, 20.0), (5.0, 15.0)]
    for candidate, past in zip(first, merits, strict=True):
        strategy._chains[candidate.member] = Chain(candidate, past)
    assert strategy._ranking() == [3, 1, 0, 2]


def test_scores_of_starts_alone_are_told_to_the_search() -> None:
    strategy = make(popsize=3)
    told: list[tuple[int, float | None]] = []
    whole = strategy.fresh.tell

    def listen(candidate: Candidate, score: float | None) -> None:
        told.append((candidate.id, score))
        whole(candidate, score)

    strategy.fresh.tell = listen  # type: ignore[method-assign]
    asked = play(strategy, 12, by_member)
    starts = [by_member(c)[0] for c in asked if c.parent is None]
    assert told == list(enumerate(starts))
    assert len(starts) < len(asked) / 2


@pytest.mark.parametrize("inner", ["pshe2", pytest.param("hazero", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("space", "schedule"),
    [(MIXED, "async"), (conditional_space(), "round")],
    ids=["mixed", "conditional"],
)
def test_it_is_restored_from_any_place(schedule: str, space: Space, inner: str) -> None:
    strategy = make(3, schedule, space, 30, inner)
    shuffler = random.Random(1)
    happened: list[tuple[str, Candidate]] = []
    waiting: list[Candidate] = []
    while len(happened) < 70:
        asked = strategy.ask(shuffler.randint(1, 2)) if len(waiting) < 5 else []
        happened += [("ask", candidate) for candidate in asked]
        waiting += asked
        if not asked or shuffler.random() < 0.3:
            told = waiting.pop(shuffler.randrange(len(waiting)))
            tell(strategy, told, by_point(told))
            happened.append(("tell", told))
    asks = [cut for cut, (what, _) in enumerate(happened) if what == "ask"]
    for cut in asks[::3]:
        strategy = make(3, schedule, space, 30, inner)
        for earlier, candidate in happened[:cut]:
            if earlier == "ask":
                strategy.restore(candidate)
            else:
                tell(strategy, candidate, by_point(candidate))
        assert strategy.ask(1) == [happened[cut][1]]


def test_by_rounds_the_order_of_tells_and_the_size_of_asks_change_nothing() -> None:
    wanted = play(make(), 6)
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


def test_without_rounds_a_member_goes_on_as_soon_as_it_is_told() -> None:
    strategy = make(schedule="async")
    running = strategy.ask(5)
    for step in range(20):
        told = running.pop(step * 7 % len(running))
        tell(strategy, told, by_member(told))
        (following,) = strategy.ask(1)
        assert (following.member, following.round) == (told.member, told.round + 1)
        running.append(following)


def test_without_rounds_there_is_work_for_any_number_of_slots() -> None:
    strategy = make(popsize=3, schedule="async")
    first = strategy.ask(8)
    assert {c.parent for c in first} == {None}
    tell(strategy, first[0], (1.0, True))
    more = strategy.ask(8)
    assert {c.parent for c in more} == {0}
    assert len({c.point for c in more}) == 8


def test_a_result_that_a_newer_one_of_the_member_overtook_is_no_place_to_go_on_from() -> None:
    strategy = make(popsize=1, schedule="async")
    one, two = strategy.ask(2)
    tell(strategy, two, (1.0, True))
    tell(strategy, one, (0.5, True))
    assert strategy.ask(1)[0].parent == two.id


def test_every_member_gets_as_many_candidates_as_there_are_rounds() -> None:
    strategy = make(popsize=3, schedule="async", rounds=4)
    slow, *fast = asked = strategy.ask(3)
    for _ in range(20):
        for candidate in fast:
            tell(strategy, candidate, by_member(candidate))
        fast = strategy.ask(2)
        asked += fast
    assert sorted((c.round, c.member) for c in asked) == [
        (r, m) for r in range(4) for m in range(3)
    ]
    tell(strategy, slow, (0.0, True))
    assert strategy.ask(1) == []


def test_what_cannot_come_now_is_refused() -> None:
    asked = play(make(), 3, by_member)
    strategy = make()
    for wrong in (asked[1], asked[5]):
        with pytest.raises(ValueError, match="cannot be restored"):
            strategy.restore(wrong)
    strategy.restore(asked[0])
    with pytest.raises(ValueError, match="not waiting"):
        strategy.tell(asked[1], 0.5)
    with pytest.raises(ValueError, match="finite"):
        strategy.tell(asked[0], float("nan"))


def test_every_hyperparameter_is_changed_in_time() -> None:
    seen: dict[str, set[object]] = {f"x{number}": set() for number in range(4)}
    for candidate in play(make(rounds=10), 10):
        params: Mapping[str, object] = candidate.params
        MIXED.encode(candidate.params)
        for name, value in params.items():
            seen[name].add(value)
    assert len(seen["x3"]) == 2
    assert min(len(seen[name]) for name in ("x0", "x1", "x2")) > 6
