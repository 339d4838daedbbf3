"""Ended trials are packed, and unpack to equal trials."""

from __future__ import annotations

import dataclasses
import tracemalloc
from typing import Any

import pytest

from autofinetune.core.trials import Status, Trial, Trials

WHOLE = Trial(
    7, 2, 1, {"lr": 0.1, "name": "sgd", "units": 4, "on": True}, 3, Status.COMPLETED, 2,
    ("runner_lost",), "0", "1", None, 30, 2, 0.5, "hopeless", "why", 0.25, 0.75, 1.5, True, 1.7e9,
)  # fmt: skip


def test_every_field_is_given_a_value_here() -> None:
    defaults = [f.default for f in dataclasses.fields(Trial)]
    values = [getattr(WHOLE, f.name) for f in dataclasses.fields(Trial)]
    same = [
        f.name
        for f, d, v in zip(dataclasses.fields(Trial), defaults, values, strict=True)
        if d == v
    ]
    assert same == ["handle"]  # of an attempt that runs


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"params": {}},
        {"params": {"units": 3}},
        {"parent": None, "score": None, "estimate": None, "has_model": False},
        {"score": float("-inf"), "reason": "größer"},
    ],
)
def test_a_trial_comes_back_as_it_was(status: Status, fields: dict[str, Any]) -> None:
    trial = dataclasses.replace(WHOLE, status=status, **fields)
    trials = Trials()
    trials.put(WHOLE)
    trials.put(trial)
    assert trials[7] == trial
    assert list(trials[7].params.items()) == list(trial.params.items())
    assert [type(value) for value in trials[7].params.values()] == [
        type(value) for value in trial.params.values()
    ]
    assert trials[7].status is status


def test_it_is_a_mapping_in_the_order_of_creation() -> None:
    trials = Trials()
    for number in (0, 1, 2):
        trials.put(Trial(number, 0, number, {"x": number}, None))
    trials.put(dataclasses.replace(trials[0], status=Status.FAILED))
    assert list(trials) == [0, 1, 2]
    assert [trial.params["x"] for trial in trials.values()] == [0, 1, 2]
    assert len(trials) == 3
    assert 2 in trials
    assert 3 not in trials
    assert trials.get(3) is None
    with pytest.raises(KeyError):
        trials[3]


def test_many_take_little_memory() -> None:
    tracemalloc.start()
    trials = Trials()
    for number in range(5_000):
        params = {"lr": number / 7, "momentum": number / 11, "units": number}
        trials.put(
            dataclasses.replace(
                WHOLE, id=number, params=params, score=number / 3, seconds=number / 9
            )
        )
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / 5_000 < 350
