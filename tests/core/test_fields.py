"""What untrusted records may contain."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from autofinetune.core import fields
from autofinetune.core.events import KINDS, decode_event
from autofinetune.core.fields import READERS

GOOD: list[tuple[fields.Reader, list[Any]]] = [
    (fields.number, [0, -1.5, 1.7e308]),
    (fields.whole, [-5, 2**53]),
    (fields.count, [0, 2**53]),
    (fields.small, [0, 10_000_000]),
    (fields.flag, [True, False]),
    (fields.text, ["", "words"]),
    (fields.name, ["a0-_.", "f" * 16]),
    (fields.mapping, [{}, {"a": []}]),
    (fields.params, [{"lr": 0.1, "units": 3, "name": "\n", "flag": True, "none": None}]),
    (fields.status, ["FAILED"]),
    (fields.options, [{}, {"gpu": "0", "round": 3, "trial_timeout": None}]),
    (fields.optional(fields.count), [None, 1]),
]
BAD: list[tuple[fields.Reader, list[Any]]] = [
    (fields.number, [True, "1", None, float("inf"), float("nan"), 10**400, []]),
    (fields.whole, [True, 1.0, 2**53 + 1, "1"]),
    (fields.count, [-1, None]),
    (fields.small, [-1, 10_000_001]),
    (fields.flag, [0, None, "true"]),
    (fields.text, [1, None, "x" * (fields.MOST_TEXT + 1)]),
    (fields.name, ["", "a/b", "a b", "é", "a\n", "x" * 101, 5]),
    (fields.mapping, [[], None, "{}"]),
    (fields.numbers, [None, "12", [1, "2"], [0.0] * 100_001]),
    (fields.params, [{"l\x1br": 1}, {"lr": []}, {"lr": float("nan")}, []]),
    (fields.status, ["RUNNING", None, []]),
    (fields.options, [{"seed": 1}, {"gpu": []}, [], None]),
    (fields.configurations, [None, {}, [1], [{"a": []}], [{}] * 100_001]),
    (fields.trials, [None, {}, [1], [{}], [{"params": {}, "merit": "1"}], [{}] * 100_001]),
    (fields.optional(fields.count), [-1]),
]


@pytest.mark.parametrize(("reader", "values"), GOOD)
def test_what_fits_comes_back_as_it_was(reader: fields.Reader, values: list[Any]) -> None:
    assert [reader(value) for value in values] == values


@pytest.mark.parametrize(("reader", "values"), BAD)
def test_anything_else_is_refused_with_a_reason(reader: fields.Reader, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=r"^(is|has) "):
            reader(value)


def test_lists_of_numbers_become_tuples_and_text_can_be_shown() -> None:
    assert fields.numbers([0, 0.5]) == (0, 0.5)
    assert fields.text("a\x1bb") == "a\\x1bb"


def test_lists_of_configurations_and_trials_become_tuples() -> None:
    assert fields.configurations([{"a": 1}, {}]) == ({"a": 1}, {})
    trials = [{"params": {"a": 1}, "merit": None}, {"params": {}, "merit": 0.5}]
    assert fields.trials(trials) == tuple(trials)


def test_every_field_of_every_event_has_a_reader() -> None:
    for kind, event in KINDS.items():
        for one in dataclasses.fields(event):
            assert f"{kind}.{one.name}" in READERS or one.name in READERS


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("Nothing", "{}", "unknown event 'Nothing'"),
        ("RunEnded", "[]", "event RunEnded is not an object"),
        ("RunEnded", "[" * 100_000, "event RunEnded: "),
        ("RunEnded", None, "event RunEnded: "),
        ("RunEnded", '{"at": 1}', "event RunEnded lacks the field reason"),
        ("RunEnded", '{"at": 1, "reason": "", "more": 1}', "event RunEnded has no field 'more'"),
        ("RunEnded", '{"at": "now", "reason": ""}', "event RunEnded: at is not a finite number"),
        ("RunEnded", '{"at": 1e400, "reason": ""}', "event RunEnded: at is not a finite number"),
    ],
)
def test_an_event_that_cannot_be_is_refused(kind: str, body: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decode_event(kind, body)


def test_events_of_earlier_versions_lack_what_was_added_later() -> None:
    body = {"at": 1.0, "version": "0.1.0"}
    event = decode_event("RunResumed", json.dumps(body))
    assert dataclasses.asdict(event) == {**body, "run": "", "where": {}}
