"""Patterns for the lines of a metric."""

from __future__ import annotations

import re

import pytest

from autofinetune.manifests.patterns import line_pattern, pattern_of


def values(pattern: str, text: str) -> list[str]:
    compiled = re.compile(pattern)
    assert compiled.groups == 1
    return [found[1] for found in compiled.finditer(text)]


def test_lines_as_katib_wants_them() -> None:
    text = "loss=0.3 val_loss=7\nloss = .98, my-loss=1 loss=-7.53e-05\nloss=1E0 loss=x loss|y=3"
    assert values(line_pattern("loss"), text) == ["0.3", ".98", "-7.53e-05", "1E0"]
    assert values(line_pattern("val/a.b"), "val/a.b=3 val/axb=4") == ["3"]


@pytest.mark.parametrize(
    ("format_", "name", "text", "found"),
    [
        (r"{metricName: ([\w|-]+), metricValue: ((-?\d+)(\.\d+)?)}", "acc",
         "{metricName: acc, metricValue: 0.5} {metricName: loss, metricValue: 2}", ["0.5"]),
        (r"(\w+\s\w+)\s:\s((-?\d+)(\.\d+)?)", "valid_1 auc", "valid_1 auc : 0.9 x a : 1", ["0.9"]),
        (r"([^=()]+)=(?P<value>\d+)", "a", "a=3", ["3"]),
        (r"\(([\w]+)\) is (\d+)", "a", "(a) is 3", ["3"]),
        (r"([]a-z]+)=(\d+)", "a", "a=3", ["3"]),
        (r"([^]=]+)=(\d+)", "a", "a=3", ["3"]),
        (r"(?:at) ((?:x|y)+) (\d+)", "x", "at x 7", ["7"]),
    ],
)  # fmt: skip
def test_a_pattern_for_one_metric(format_: str, name: str, text: str, found: list[str]) -> None:
    assert values(pattern_of(format_, name), text) == found


@pytest.mark.parametrize(
    ("format_", "why"),
    [
        ("(", "is not a regular expression"),
        (r"(\w+)", "must have two groups, for the name and the value, found 1"),
        (r"((\w)+)=\d", "has its second group inside the first"),
        (r"(a)=(\d)(\3x)?", "is not a regular expression"),
        (r"(a)=(\d)\2", "refers to a group by its number"),
    ],
)
def test_no_such_pattern(format_: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        pattern_of(format_, "a")
