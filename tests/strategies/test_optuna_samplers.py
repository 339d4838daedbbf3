"""Optuna's samplers as strategies; skipped if Optuna is not installed."""

from __future__ import annotations

import importlib.util
import random

import pytest

from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.space import Space, Value, load_space
from autofinetune.strategies import (
    SCHEDULES,
    Candidate,
    Exhausted,
    Strategy,
    create_strategy,
    known_name,
    strategy_class,
)
from autofinetune.strategies.optuna_samplers import OptunaSampler
from tests.helpers import conditional_space, space_of

is_missing = importlib.util.find_spec("optuna") is None
needs_optuna = pytest.mark.skipif(is_missing, reason="needs the package optuna")
SAMPLERS = ("TPESampler", "RandomSampler", "NSGAIISampler", "QMCSampler")
STEPS = load_space(
    {
        "param_list": [
            {"name": "lr", "type": "float", "greater_than": 0, "lower_than": 1, "step": 0.1}
            | {"init_value": 0.3},
            {"name": "units", "type": "int", "greater_than": 4, "lower_than": 64, "log": True}
            | {"init_value": 16},
            {"name": "width", "type": "int", "greater_than": 1, "lower_than": 9, "step": 2}
            | {"init_value": 3},
        ]
    }
)
SPACES = {"steps": STEPS, "conditional": conditional_space()}


def make(sampler: str, space: Space, schedule: str = "async", **options: object) -> Strategy:
    return create_strategy(
        f"optuna:{sampler}", space, popsize=3, seed=1, schedule=schedule, options=options
    )


def merit(candidate: Candidate) -> float | None:
    return None if candidate.id % 6 == 5 else -sum((u - 0.3) ** 2 for u in candidate.point)


@needs_optuna
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_it_begins_with_the_initial_values_and_is_restored(
    sampler: str, schedule: str, space: Space
) -> None:
    strategy, shuffler = make(sampler, space, schedule), random.Random(1)
    happened: list[tuple[str, Candidate]] = []
    waiting: list[Candidate] = []
    while len(happened) < 50:
        asked = strategy.ask(2) if len(waiting) < 4 else []
        happened += [("ask", candidate) for candidate in asked]
        waiting += asked
        if not asked or shuffler.random() < 0.3:
            told = waiting.pop(shuffler.randrange(len(waiting)))
            strategy.tell(told, merit(told))
            happened.append(("tell", told))
    assert happened[0][1].params == space.init_params
    asked = [candidate for what, candidate in happened if what == "ask"]
    assert all(space.decode(c.point) == pytest.approx(c.params) for c in asked)
    keys = [space.key(candidate.params) for candidate in asked]
    assert len(keys) == len(set(keys))
    asks = [cut for cut, (what, _) in enumerate(happened) if what == "ask"]
    for cut in (asks[2], asks[len(asks) // 2], asks[-1]):
        again = make(sampler, space, schedule)
        for what, candidate in happened[:cut]:
            if what == "ask":
                again.restore(candidate)
            else:
                again.tell(candidate, merit(candidate))
        assert again.ask(1) == [happened[cut][1]]


@needs_optuna
def test_what_was_recorded_counts_where_a_sampler_now_chooses_otherwise() -> None:
    strategy = make("RandomSampler", STEPS)
    for number in range(4):
        params: dict[str, Value] = {"lr": number / 10, "units": 5 + number, "width": 1}
        candidate = Candidate(number, number // 3, number % 3, STEPS.encode(params), params)
        strategy.restore(candidate)
        strategy.tell(candidate, float(number))
    assert isinstance(strategy, OptunaSampler)
    (best,) = strategy._study.best_trials
    assert (best.value, best.params["units"]) == (3.0, 8)


@needs_optuna
def test_a_finite_space_is_used_up() -> None:
    strategy = make("TPESampler", space_of("small", "choice"), n_startup_trials="2")
    seen = set()
    with pytest.raises(Exhausted):
        while True:
            for candidate in strategy.ask(2):
                seen.add(repr(candidate.params))
                strategy.tell(candidate, 1.0)
    assert len(seen) == 6


@needs_optuna
def test_it_learns() -> None:
    found = []
    for seed in range(3):
        strategy = create_strategy(
            "optuna:tpesampler", space_of("float", "float"), popsize=5, seed=seed
        )
        for _ in range(12):
            for candidate in strategy.ask(5):
                found.append(sum((u - 0.2) ** 2 for u in candidate.point))
                strategy.tell(candidate, -found[-1])
    late = [loss for number, loss in enumerate(found) if number % 60 >= 40]
    assert sum(late) / len(late) < 0.1 < sum(found) / len(found)


@needs_optuna
def test_mistakes_are_told() -> None:
    with pytest.raises(UsageError, match=r"no such sampler \(did you mean 'TPESampler'"):
        make("TPESample", STEPS)
    with pytest.raises(UsageError, match=r"no option 'n_startup' \(did you mean"):
        make("TPESampler", STEPS, n_startup=3)
    with pytest.raises(UsageError, match="cannot be created with"):
        make("QMCSampler", STEPS, qmc_type="x")


@needs_optuna
def test_words_become_values() -> None:
    strategy = make("TPESampler", STEPS, multivariate="False", n_ei_candidates="9")
    assert strategy.options == {"multivariate": False, "n_ei_candidates": 9}


def test_the_name_keeps_the_sampler() -> None:
    assert known_name("Optuna:GPSampler") == "optuna:GPSampler"


def test_without_optuna_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match="needs the package optuna") as raised:
        strategy_class("optuna:TPESampler")
    assert raised.value.tip == "pip install 'autofinetune[optuna]'"
