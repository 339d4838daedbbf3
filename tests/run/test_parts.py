"""Wrappers around the strategy of a run, as its options ask for."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.config.safety import Safety
from autofinetune.errors import UsageError
from autofinetune.run.parts import make_search
from autofinetune.space import Value, load_space
from autofinetune.strategies import Repeated, Replay, Strategy
from autofinetune.strategies.continuing import ContinuedTraining
from autofinetune.strategies.hazero import HAZero
from autofinetune.strategies.pbt import PBT
from autofinetune.strategies.pshe2 import PSHE2
from autofinetune.strategies.training import PopulationTraining
from tests.helpers import MIXED, config_of

INIT = dict(load_space(MIXED).init_params)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, PopulationTraining),
        ({"exploit": "surrogate"}, ContinuedTraining),
        ({"exploit": "better_half"}, PSHE2),
        ({"repeats": 2}, Repeated),
        ({"evaluator": "fulltrail"}, PSHE2),
        ({"evaluator": "fulltrail", "tuning_strategy": "hazero"}, HAZero),
        ({"evaluator": "fulltrail", "repeats": 3}, Repeated),
        ({"tuning_strategy": "pbt"}, PBT),
        ({"replayed": (INIT,)}, Replay),
    ],
)
def test_the_options_decide(fields: dict[str, Any], kind: type[Strategy]) -> None:
    config = config_of(**fields)
    search = make_search(config)
    assert type(search) is kind
    assert search.rounds is not None
    assert search.popsize * search.rounds == (config.planned if kind is not Replay else 1)
    (first,) = search.ask(1)
    assert first.params == INIT or kind is PBT  # PBT starts at random


@pytest.mark.parametrize("exploit", ["truncation", "surrogate", "better_half"])
def test_what_is_known_before_comes_next(exploit: str) -> None:
    first: dict[str, Value] = INIT | {"units": 20}
    second: dict[str, Value] = INIT | {"units": 30}
    earlier = (({"params": second, "merit": 1.0},),)
    search = make_search(config_of(exploit=exploit, enqueued=(first,), earlier=earlier))
    assert [c.params for c in search.ask(3)] == [INIT, first, second]


def test_options_of_the_strategy_are_checked_and_taken() -> None:
    with pytest.raises(UsageError, match="PSHE2 has no option 'stp'"):
        make_search(config_of(strategy_options={"stp": "1"}))
    search = make_search(config_of(strategy_options={"step": "0.4"}))
    assert isinstance(search, PopulationTraining)
    assert search.fresh.options["step"] == 0.4


def test_a_strategy_that_names_parents_needs_all_models() -> None:
    safety = Safety(keep_models="best")
    with pytest.raises(UsageError, match="keep_models=best cannot be used with the strategy pbt"):
        make_search(config_of(tuning_strategy="pbt", safety=safety))
    make_search(config_of(tuning_strategy="pbt", safety=safety, evaluator="fulltrail"))
