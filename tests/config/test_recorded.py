"""The lists in a config.yaml, which may have been edited."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.config.recorded import recorded_configurations, recorded_trials
from autofinetune.errors import ConfigError
from tests.helpers import conditional_space, space_of

SPACE = space_of("float", "int", "choice")
GOOD: dict[str, Any] = {"x0": 0.5, "x1": 7, "x2": "a"}


def test_entries_that_fit_are_taken_in_the_order_of_the_space() -> None:
    (found,) = recorded_configurations([{"x2": "b", "x1": 7.0, "x0": 1}], SPACE)
    assert repr(found) == "{'x0': 1, 'x1': 7, 'x2': 'b'}"
    trials = [{"params": GOOD, "merit": 0.5}, {"params": GOOD, "merit": None}]
    assert recorded_trials([trials, []], SPACE) == (tuple(trials), ())


def test_entries_hold_what_their_choices_leave_active() -> None:
    space = conditional_space()
    good = [{"lr": 1, "bias": 1, "optimizer": "lamb"}]
    (found,) = recorded_configurations(good, space)
    assert list(found.items()) == [("optimizer", "lamb"), ("bias", 1), ("lr", 1)]
    for wrong in ({"momentum": 0.5}, {"schedule": 1}):
        with pytest.raises(ConfigError, match="a value for optimizer, bias, lr and nothing"):
            recorded_configurations([good[0] | wrong], space)
    with pytest.raises(ConfigError, match="a value for optimizer, momentum, lr and"):
        recorded_configurations([{"optimizer": "sgd", "lr": 0.5}], space)


def test_a_mistake_is_named_after_its_list() -> None:
    with pytest.raises(ConfigError, match=r"replayed\[0\]: must have a value"):
        recorded_configurations([5], SPACE, "replayed")


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        (5, "enqueued: must be a list, found 5"),
        ({"x0": 1}, "enqueued: must be a list, found {'x0': 1}"),
        ([GOOD, 5], "enqueued[1]: must have a value for x0, x1, x2 and nothing else, found 5"),
        ([{"x0": 0.5}], "enqueued[0]: must have a value for x0, x1, x2 and nothing else"),
        ([GOOD | {"x3": 1}], "enqueued[0]: must have a value for x0, x1, x2 and nothing else"),
        ([GOOD | {"x1": 1001}], "enqueued[0]: 1001 is not a value of x1"),
        ([GOOD | {"x1": True}], "enqueued[0]: True is not a value of x1"),
        ([GOOD | {"x0": "0.5"}], "enqueued[0]: '0.5' is not a value of x0"),
        ([GOOD, GOOD | {"x2": "c"}], "enqueued[1]: 'c' is not a value of x2"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(value: object, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        recorded_configurations(value, SPACE)
    (told,) = caught.value.mistakes
    assert told.startswith(mistake)


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ("abc", "earlier: must be a list, found 'abc'"),
        ([[], 5], "earlier[1]: must be a list, found 5"),
        ([[GOOD]], "earlier[0][0]: must be a mapping of params and merit"),
        ([[None]], "earlier[0][0]: must be a mapping of params and merit, found None"),
        ([[{"params": GOOD | {"x1": 0}, "merit": 1}]], "earlier[0][0]: 0 is not a value of x1"),
        *(
            ([[], [{"params": GOOD, "merit": merit}]], "earlier[1][0]: merit must be a finite")
            for merit in ("1", True, float("nan"), float("inf"), 10**400)
        ),
    ],
)
def test_a_trial_that_does_not_fit_is_named(value: object, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        recorded_trials(value, SPACE)
    (told,) = caught.value.mistakes
    assert told.startswith(mistake)


def test_of_many_mistakes_the_first_are_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        recorded_configurations([5] * 8, SPACE)
    assert [line.partition(":")[0] for line in caught.value.mistakes] == [
        *(f"enqueued[{index}]" for index in range(5)),
        "and 3 more entries",
    ]
