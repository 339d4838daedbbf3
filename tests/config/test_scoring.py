"""The options of the metric, and the choice of the logged value that becomes the score."""

from __future__ import annotations

import math

import pytest

from autofinetune.config.described import describe, from_description
from autofinetune.config.scoring import Scoring, Values
from autofinetune.core.status import Direction
from tests.helpers import config_of, told

LAST = Scoring(metric="acc")
BEST = Scoring(metric="acc", final="best")


def values_of(*values: float, direction: Direction = Direction.MAXIMIZE) -> Values:
    found = Values()
    for value in values:
        found.add(value, direction)
    return found


@pytest.mark.parametrize(
    ("scoring", "values", "direction", "expected"),
    [
        (LAST, (0.1, 0.9, 0.3), Direction.MAXIMIZE, [0.3]),
        (BEST, (0.1, 0.9, 0.3), Direction.MAXIMIZE, [0.9]),
        (BEST, (0.1, 0.9, 0.3), Direction.MINIMIZE, [0.1]),
        (BEST, (0.1, math.nan), Direction.MAXIMIZE, [0.1]),
        (BEST, (math.inf, 0.1), Direction.MAXIMIZE, [0.1]),
        (LAST, (), Direction.MAXIMIZE, []),
        (Scoring(), (0.1,), Direction.MAXIMIZE, []),
    ],
)
def test_the_score_of_logged_values(
    scoring: Scoring, values: tuple[float, ...], direction: Direction, expected: list[float]
) -> None:
    found = values_of(*values, direction=direction)
    assert found.scores(scoring, is_success=True) == expected


@pytest.mark.parametrize("scoring", [LAST, BEST])
def test_a_training_that_diverged_has_no_score(scoring: Scoring) -> None:
    assert all(map(math.isnan, values_of(math.nan).scores(scoring, is_success=True)))
    assert values_of(math.nan).scores(scoring, is_success=True)


def test_a_crash_makes_no_score_of_what_was_logged_before() -> None:
    assert values_of(0.5).scores(LAST, is_success=False) == []


def test_what_the_script_reports_goes_before_what_it_logs() -> None:
    values = values_of(0.5)
    values.finals += [0.7]
    assert values.scores(LAST, is_success=True) == [0.7]
    assert values.scores(LAST, is_success=False) == [0.7]


def test_options_are_read_back_as_they_were() -> None:
    scoring = Scoring("val/acc", "best", r"acc=([0-9.]+)")
    assert from_description(describe(config_of(scoring=scoring))).scoring == scoring
    assert from_description(describe(config_of())).scoring == Scoring()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("metric", "a\nb", "printable"),
        ("metric", "a" * 501, "at most 500"),
        ("final", "first", "use one of: best, last"),
        ("metric_pattern", "acc=[0-9.]+", "one group for the value, found 0"),
        ("metric_pattern", "(a)(b)", "found 2"),
        ("metric_pattern", "(", "not a regular expression"),
        ("metric_pattern", "(a)" + "b" * 500, "at most 500"),
    ],
)
def test_mistakes(option: str, value: str, words: str) -> None:
    (mistake,) = told(**{option: value})
    assert mistake.startswith(f"--{option}")
    assert words in mistake
