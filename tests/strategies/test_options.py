"""Options of strategies: read, rejected, printed."""

from __future__ import annotations

import pytest

from autofinetune.errors import UsageError
from autofinetune.strategies import STRATEGIES, Option, create_strategy, read_options
from tests.helpers import space_of

KNOWN = {
    "size": Option(0.5, "how large", 0.0, 1.0),
    "count": Option(3, "how many", 1),
    "mode": Option("on", "whether", words=("on", "off")),
    "again": Option(True, "whether"),
}


def test_defaults_and_given_values_have_the_type_of_the_default() -> None:
    assert read_options("x", KNOWN, {}) == {"size": 0.5, "count": 3, "mode": "on", "again": True}
    given: dict[str, object] = {"size": "1", "count": "7", "mode": "OFF", "again": "False"}
    wanted = {"size": 1.0, "count": 7, "mode": "off", "again": False}
    assert read_options("x", KNOWN, given) == wanted
    assert read_options("x", KNOWN, {"again": True, "size": 1})["again"] is True
    assert read_options("x", KNOWN, {"size": 0.25, "count": 2})["size"] == 0.25


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("size", "1.5", "must be a number from 0 to 1"),
        ("size", "nan", "must be a number from 0 to 1"),
        ("count", "0", "must be a whole number of at least 1"),
        ("count", "1.5", "must be a whole number"),
        ("mode", "maybe", "must be on or off"),
        ("again", "maybe", "must be true or false"),
        ("sise", "1", "did you mean 'size'"),
        ("zzz", "1", "has no option 'zzz'"),
    ],
)
def test_mistakes_are_told(name: str, value: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_options("x", KNOWN, {name: value})
    assert words in raised.value.message


def test_an_option_without_bounds_says_its_kind() -> None:
    assert Option(1.0, "").allowed == "a number"


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_takes_its_options_and_no_other(name: str) -> None:
    strategy = create_strategy(name, space_of("float"), popsize=2, seed=0)
    assert set(strategy.options) == set(strategy.OPTIONS)
    for key, option in strategy.OPTIONS.items():
        made = create_strategy(
            name, space_of("float"), popsize=2, seed=0, options={key: str(option.default)}
        )
        assert made.options == strategy.options
        assert option.text
    with pytest.raises(UsageError, match="has no option"):
        create_strategy(name, space_of("float"), popsize=2, seed=0, options={"no_such": "1"})


def test_pure_cma_needs_no_surrogate_and_no_design() -> None:
    strategy = create_strategy(
        "hazero", space_of("float", "int", "choice"), popsize=6, seed=0,
        options={"surrogate": "off", "design": "0"},
    )  # fmt: skip
    for _ in range(5):
        for candidate in strategy.ask(6):
            strategy.tell(candidate, -sum(candidate.point))
    assert strategy.ask(1)[0].round == 5
