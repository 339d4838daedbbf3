"""What every strategy in the table promises."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from autofinetune.errors import UsageError
from autofinetune.space import Space, Value, load_space
from autofinetune.strategies import (
    SCHEDULES,
    STRATEGIES,
    Candidate,
    Exhausted,
    Known,
    Strategy,
    create_strategy,
    known_name,
    strategy_class,
)
from tests.helpers import conditional_space, drawn_space, shared_space, space_of

NAMES = sorted(STRATEGIES)
SPACES = {
    "one_float": space_of("float"),
    "one_choice": space_of("choice"),
    "mixed": space_of("float", "log", "int", "choice"),
    "small": space_of("small", "choice"),
    "wide": space_of(*["float"] * 20),
    "conditional": conditional_space(),
    "shared": shared_space(),
    "drawn": drawn_space(),
}
POPSIZES = (1, 3, 8)
VARIANTS = [
    pytest.param(name, options, id=f"{name}-{options}")
    for options in ({}, {"surrogate": "off"}, {"design": "0"})
    for name in NAMES
    if options.keys() <= strategy_class(name).OPTIONS.keys()
]
# So that a few dozen trials reach the part of each search after its first trials.
SMALL: dict[str, dict[str, object]] = {
    "evolution": {"population_size": 6},
    "gp": {
        "cold_start_num": 6,
        "selection_num_warm_up": 200,
        "selection_num_starting_points": 3,
    },
    "metis": {"cold_start_num": 6, "selection_num_starting_points": 60},
    "pbt": {"population_size": 6},
    "ppo": {"trials_per_update": 6, "lr": 0.01},
    "tpe": {"n_startup_jobs": 8},
}
LISTED = ("batch", "grid")  # they follow a list in order and end with it
MODELLED = ("gp", "hazero", "metis", "pshe2")
"""They fit a model of the scores before each candidate, which takes a while."""
BLIND = ("random", *LISTED)  # they learn nothing
LEARNING = sorted({*NAMES} - {*BLIND, "evolution", "pbt", "ppo"})
"""Strategies that find an optimum quickly."""


def make(
    name: str,
    space: Space,
    popsize: int = 5,
    seed: int = 3,
    schedule: str = "round",
    *,
    allow_repeats: bool = True,
    options: Mapping[str, object] | None = None,
    rounds: int | None = None,
) -> Strategy:
    strategy = create_strategy(
        name,
        space,
        popsize=popsize,
        seed=seed,
        allow_repeats=allow_repeats,
        schedule=schedule,
        options={**SMALL.get(name, {}), **(options or {})},
        rounds=rounds,
    )
    if name == "batch" and space.size is None:
        points = np.random.default_rng(0).random((200, space.dim))
        strategy.enqueue([space.decode(point) for point in points.tolist()])
    return strategy


def merit(candidate: Candidate) -> float | None:
    """A score from the point alone; every seventh trial fails."""
    if candidate.id % 7 == 6:
        return None
    return -sum((u - 0.3) ** 2 for u in candidate.point)


def play(strategy: Strategy, rounds: int) -> list[Candidate]:
    """Return all candidates of a number of rounds, or until the space is used up."""
    asked = []
    for _ in range(rounds):
        try:
            batch = strategy.ask(strategy.popsize)
        except Exhausted:
            break
        asked += batch
        for candidate in batch:
            strategy.tell(candidate, merit(candidate))
    return asked


def cases(*cases: tuple[Any, ...], brief: int = 1) -> list[Any]:
    """Return the parameters (name, *case); of modelled strategies all after `brief` are slow."""
    return [
        pytest.param(
            name, *case, marks=pytest.mark.slow if place >= brief and name in MODELLED else ()
        )
        for name in NAMES
        for place, case in enumerate(cases)
    ]


@pytest.mark.parametrize(
    ("name", "kind", "popsize"),
    cases(
        ("mixed", 3),
        ("conditional", 5),
        ("small", 5),
        *[("mixed", n) for n in POPSIZES if n != 3],
        *[(kind, 5) for kind in SPACES if kind not in ("mixed", "conditional", "small")],
        brief=3,
    ),
)
def test_candidates_are_in_range_and_numbered(name: str, kind: str, popsize: int) -> None:
    space = SPACES[kind]
    rounds = max(4, 24 // popsize)
    asked = play(make(name, space, popsize), rounds)
    wanted = rounds * popsize
    if name in LISTED and space.size is not None:
        wanted = min(wanted, space.size)
    assert [c.id for c in asked] == list(range(wanted))
    for candidate in asked:
        assert candidate.round == candidate.id // popsize
        assert candidate.member == candidate.id % popsize
        assert all(0.0 <= u <= 1.0 for u in candidate.point)
        assert space.decode(candidate.point) == pytest.approx(candidate.params)
        space.encode(candidate.params)  # raises for a value outside the space


@pytest.mark.parametrize("name", sorted({*NAMES} - {*LISTED}))
def test_the_first_candidate_is_the_initial_values(name: str) -> None:
    first = make(name, SPACES["mixed"]).ask(1)[0]
    assert first.params == SPACES["mixed"].init_params


@pytest.mark.parametrize(("name", "popsize"), cases((5,), (1,)))
def test_the_same_seed_gives_the_same_candidates(name: str, popsize: int) -> None:
    one, other, third = (play(make(name, SPACES["mixed"], popsize, seed), 6) for seed in (3, 3, 4))
    assert one == other
    assert (one == third) == (name in LISTED)


@pytest.mark.parametrize("name", NAMES)
def test_the_size_of_an_ask_and_the_order_of_tells_change_nothing(name: str) -> None:
    wanted = play(make(name, SPACES["mixed"]), 6)
    strategy = make(name, SPACES["mixed"])
    shuffler = random.Random(1)
    asked: list[Candidate] = []
    waiting: list[Candidate] = []
    while len(asked) < len(wanted):
        batch = strategy.ask(shuffler.randint(1, 3))
        asked += batch
        waiting += batch
        if not batch or shuffler.random() < 0.5:
            chosen = waiting.pop(shuffler.randrange(len(waiting)))
            strategy.tell(chosen, merit(chosen))
    assert asked[: len(wanted)] == wanted


@pytest.mark.parametrize(
    ("kind", "popsize", "schedule"),
    [
        ("conditional", 5, "async"),
        pytest.param("mixed", 2, "async", marks=pytest.mark.slow),
        pytest.param("conditional", 5, "round", marks=pytest.mark.slow),
        ("mixed", 2, "round"),
    ],
)
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_it_is_restored_from_any_place(
    name: str, popsize: int, schedule: str, options: dict[str, str], kind: str
) -> None:
    """This holds for any asks and tells in between, in any order."""

    def new() -> Strategy:
        return make(
            name, SPACES[kind], popsize, schedule=schedule, allow_repeats=False, options=options
        )

    strategy, shuffler = new(), random.Random(popsize)
    happened: list[tuple[str, Candidate]] = []
    waiting: list[Candidate] = []
    while len(happened) < 40:  # beyond the first trials of every strategy
        asked = strategy.ask(shuffler.randint(1, 2)) if len(waiting) < 4 else []
        happened += [("ask", candidate) for candidate in asked]
        waiting += asked
        if not asked or shuffler.random() < 0.3:
            told = waiting.pop(shuffler.randrange(len(waiting)))
            strategy.tell(told, merit(told))
            happened.append(("tell", told))
    for cut, (what, wanted) in enumerate(happened):
        if what == "tell" or (cut % 12 and cut < 37):
            continue
        strategy = new()
        for earlier, candidate in happened[:cut]:
            if earlier == "ask":
                strategy.restore(candidate)
            else:
                strategy.tell(candidate, merit(candidate))
        assert strategy.ask(1) == [wanted]


@pytest.mark.parametrize(("name", "popsize"), cases((3,), (1,), (8,)))
def test_without_rounds_a_member_goes_on_as_soon_as_it_is_told(name: str, popsize: int) -> None:
    strategy = make(name, SPACES["mixed"], popsize, schedule="async")
    running = strategy.ask(popsize)
    assert [candidate.member for candidate in running] == list(range(popsize))
    for step in range(20):
        told = running.pop(step * 7 % len(running))
        strategy.tell(told, merit(told))
        (following,) = strategy.ask(1)
        assert (following.member, following.round) == (told.member, told.round + 1)
        assert following.id == popsize + step
        running.append(following)


@pytest.mark.parametrize("name", NAMES)
def test_without_rounds_there_is_work_for_any_number_of_slots(name: str) -> None:
    strategy = make(name, SPACES["mixed"], popsize=3, schedule="async")
    assert len(strategy.ask(16)) == 16
    assert len({candidate.point for candidate in strategy.ask(16)}) == 16


@pytest.mark.parametrize("name", NAMES)
def test_every_member_gets_as_many_candidates_as_there_are_rounds(name: str) -> None:
    strategy = make(name, SPACES["mixed"], popsize=3, schedule="async", rounds=4)
    slow, *fast = asked = strategy.ask(3)
    for _ in range(20):
        for candidate in fast:
            strategy.tell(candidate, merit(candidate))
        fast = strategy.ask(2)
        asked += fast
    assert strategy.ask(1) == []
    assert sorted((c.round, c.member) for c in asked) == [
        (r, m) for r in range(4) for m in range(3)
    ]
    strategy.tell(slow, 0.0)
    assert strategy.ask(1) == []


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_come_now_is_not_restored(name: str) -> None:
    asked = play(make(name, SPACES["mixed"], 3), 4)
    strategy = make(name, SPACES["mixed"], 3)
    strategy.restore(asked[0])
    for wrong in (asked[0], asked[2], asked[5]):
        with pytest.raises(ValueError, match="cannot be restored"):
            strategy.restore(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_the_unit_of_the_scores_does_not_matter(name: str) -> None:
    def run(unit: float) -> list[Candidate]:
        strategy = make(name, SPACES["mixed"])
        asked = []
        for _ in range(6):
            batch = strategy.ask(5)
            asked += batch
            for c in batch:
                strategy.tell(c, -unit * sum((u - 0.3) ** 2 for u in c.point))
        return asked

    assert run(1.0) == run(2.0**-30) == run(2.0**30)


@pytest.mark.parametrize("name", sorted({*NAMES} - {*BLIND}))
def test_a_failed_trial_ranks_below_every_score(name: str) -> None:
    def run(failed: float | None) -> list[Candidate]:
        strategy = make(name, SPACES["mixed"])
        asked = []
        for _ in range(6):
            batch = strategy.ask(5)
            asked += batch
            for c in batch:
                good = -sum((u - 0.3) ** 2 for u in c.point)
                strategy.tell(c, failed if c.member == 2 else good)
        return asked

    assert run(None) != run(1e9)
    points = np.array([c.point for c in run(None)])
    assert np.isfinite(points).all()


@pytest.mark.parametrize(
    ("name", "popsize", "schedule"), cases((3, "async"), (1, "round"), (8, "round"))
)
def test_failures_and_equal_scores_go_on(name: str, popsize: int, schedule: str) -> None:
    for score in (None, 0.5):
        strategy = make(name, SPACES["mixed"], popsize, schedule=schedule)
        for _ in range(2 + 24 // popsize):
            for candidate in strategy.ask(popsize):
                strategy.tell(candidate, score)
        assert strategy.ask(1)


@pytest.mark.parametrize("name", NAMES)
def test_it_waits_for_pending_results(name: str) -> None:
    strategy = make(name, SPACES["mixed"], popsize=3)
    batch = strategy.ask(10)
    assert len(batch) == 3
    assert strategy.ask(10) == []
    for candidate in batch:
        strategy.tell(candidate, 0.0)
    assert len(strategy.ask(10)) == 3


ALIKE = load_space({"param_list": [{"name": "c", "type": "choice", "choices": [1, 1.0, True]}]})
FINITE = {"small": (SPACES["small"], 6), "alike": (ALIKE, 3)} | {
    "conditional": (conditional_space(finite=True), 9)
}


@pytest.mark.parametrize(("space", "size"), FINITE.values(), ids=FINITE)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", NAMES)
def test_no_configuration_twice_while_untried_ones_remain(
    name: str, schedule: str, space: Space, size: int
) -> None:
    strategy = make(name, space, popsize=2, seed=2, schedule=schedule, allow_repeats=False)
    seen = []
    with pytest.raises(Exhausted):
        while True:
            for candidate in strategy.ask(4):
                seen.append(repr(candidate.params))
                strategy.tell(candidate, 1.0)
    assert space.size == size
    assert len(seen) == len(set(seen)) == size


@pytest.mark.parametrize("name", NAMES)
def test_given_configurations_hold_what_is_active(name: str) -> None:
    strategy = create_strategy(name, SPACES["conditional"], popsize=5, seed=3)
    lamb: dict[str, Value] = {"optimizer": "lamb", "bias": 1, "lr": 0.25}
    strategy.enqueue([{"lr": 0.25, "momentum": 0.1, "bias": 1, "optimizer": "lamb"}])
    strategy.remember([Known(lamb, 1.0), Known(SPACES["conditional"].init_params, None)])
    asked = strategy.ask(1 if name in LISTED else 2)
    assert list(asked[-1].params.items()) == list(lamb.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNING)
def test_the_best_of_a_conditional_space_is_found(name: str) -> None:
    """The best is adam with much warm-up and a low rate; momentum and bias have no effect."""
    found = []
    for seed in range(4):
        strategy = make(name, SPACES["conditional"], seed=seed)
        scores = []
        for _ in range(10):
            for candidate in strategy.ask(5):
                warmup = float(str(candidate.params.get("warmup", 0)))
                scores.append(warmup - abs(float(str(candidate.params["lr"])) - 0.2))
                strategy.tell(candidate, scores[-1])
        found.append(max(scores))
    assert np.mean(found) > 2.95


@pytest.mark.parametrize("name", sorted({*NAMES} - {*LISTED}))
def test_repeats_are_asked_where_they_are_allowed(name: str) -> None:
    asked = play(make(name, SPACES["one_choice"], popsize=3), rounds=4)
    assert {c.params["x0"] for c in asked[:2]} == {"a", "b"}
    assert len(asked) == 12


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_refused(name: str, score: float) -> None:
    strategy = make(name, SPACES["mixed"])
    candidate = strategy.ask(1)[0]
    with pytest.raises(ValueError, match="finite"):
        strategy.tell(candidate, score)
    strategy.tell(candidate, None)  # the candidate is still waiting


@pytest.mark.parametrize("name", NAMES)
def test_a_result_is_taken_once(name: str) -> None:
    strategy = make(name, SPACES["mixed"])
    candidate = strategy.ask(1)[0]
    strategy.tell(candidate, 1.0)
    with pytest.raises(ValueError, match="not waiting"):
        strategy.tell(candidate, 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_numpys_global_generator_is_left_alone(name: str) -> None:
    np.random.seed(5)
    wanted = np.random.random()
    np.random.seed(5)
    play(make(name, SPACES["mixed"]), 3)
    assert np.random.random() == wanted


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNING)
def test_it_finds_a_smooth_optimum_better_than_chance(name: str) -> None:
    space = space_of("float", "float", "float")

    def loss(candidate: Candidate) -> float:
        return sum((u - 0.2) ** 2 for u in candidate.point)

    found, chance = [], []
    for seed in range(4):
        strategy = make(name, space, seed=seed)
        losses = []
        for _ in range(12):
            for candidate in strategy.ask(5):
                losses.append(loss(candidate))
                strategy.tell(candidate, -losses[-1])
        found.append(min(losses))
        points = np.random.default_rng(seed).random((60, 3))
        chance.append(float(((points - 0.2) ** 2).sum(axis=1).min()))
    assert np.mean(found) < 0.5 * np.mean(chance)


@pytest.mark.parametrize("name", NAMES)
def test_candidates_can_be_written_as_json_exactly(name: str) -> None:
    for candidate in play(make(name, SPACES["mixed"]), 3):
        assert tuple(json.loads(json.dumps(candidate.point))) == candidate.point
        assert json.loads(json.dumps(candidate.params)) == candidate.params


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"use one of: anneal, batch, .*hazero, .*pshe2"):
        create_strategy("cmaes", SPACES["mixed"], popsize=5, seed=0)


def test_a_space_must_be_made_first() -> None:
    described: Any = SPACES["mixed"].describe()
    with pytest.raises(TypeError, match="space must be a Space, not dict"):
        create_strategy("pshe2", described, popsize=5, seed=0)


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("HAZero", "hazero"), ("TPE", "tpe"), ("Random", "random"), ("Anneal", "anneal"),
        ("Evolution", "evolution"), ("Batch", "batch"), ("BatchTuner", "batch"),
        ("GridSearch", "grid"), ("MetisTuner", "metis"), ("Metis", "metis"), ("GPTuner", "gp"),
        ("GP", "gp"), ("PPOTuner", "ppo"), ("PPO", "ppo"), ("PBTTuner", "pbt"), ("PBT", "pbt"),
    ],
)  # fmt: skip
def test_names_are_known_in_any_case_and_as_tuners(spelled: str, name: str) -> None:
    assert known_name(spelled) == name
    assert strategy_class(spelled) is strategy_class(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("popsize", "seed"), [(0, 1), (5, -1)])
def test_popsize_and_seed_are_checked(name: str, popsize: int, seed: int) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        make(name, SPACES["mixed"], popsize, seed)
    with pytest.raises(ValueError, match="schedule must be one of async, round"):
        make(name, SPACES["mixed"], schedule="rounds")
