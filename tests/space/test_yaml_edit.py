"""Changing values in the text of a file."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from autofinetune.errors import ConfigError
from autofinetune.space import parse_yaml
from autofinetune.space.yaml_edit import edited
from autofinetune.space.yaml_values import Path_

OP: Path_ = ("process", 0, "op")

# what, the text before, the changes, the text after
LAYOUTS: list[tuple[str, str, dict[Path_, Any], str]] = [
    ("a comment", "a: 1  # one\nb: 2\n", {("a",): 3}, "a: 3  # one\nb: 2\n"),
    ("quotes", "a: '1' # q\n", {("a",): "2"}, 'a: "2" # q\n'),
    ("flow", 'a: {"b" : 1,c: [2]}', {("a", "b"): 9, ("a", "c", 0): 4}, 'a: {"b" : 9,c: [4]}'),
    ("a new key in flow", "a: {b: 1,}", {("a", "c"): 2}, "a: {b: 1, c: 2,}"),
    ("a new key in an empty flow", "a: {  }", {("a", "c"): 2}, "a: {  c: 2}"),
    ("JSON", '{"a": {"b": null}}', {("a", "b"): {"c": "x"}}, '{"a": {"b": {"c": "x"}}}'),
    ("a new key in JSON", '{"a": {"b": null}}', {("a", "b", "c"): 1}, '{"a": {"b": {"c": 1}}}'),
    (
        "a new key in a block",
        "process:\n- op: # it\n    # why\n    a: 1 # one\n\n# next\n- op:\n",
        {(*OP, "b"): 2},
        "process:\n- op: # it\n    # why\n    a: 1 # one\n    b: 2\n\n# next\n- op:\n",
    ),
    (
        "no arguments yet",
        "process:\n  - op: # none\n  - op:\n      a: 1\n",
        {(*OP, "a"): 1, (*OP, "b"): 2.5},
        "process:\n  - op: # none\n      a: 1\n      b: 2.5\n  - op:\n      a: 1\n",
    ),
    ("no arguments in flow", "process: [{op: }]", {(*OP, "a"): 1}, "process: [{op: {a: 1}}]"),
    ("null", "process:\n- op: ~\n", {(*OP, "a"): 1}, "process:\n- op: {a: 1}\n"),
    ("nothing", "a:\nb: 2", {("a",): 1}, "a: 1\nb: 2"),
    ("the end without a line end", "a:\n  b: 1", {("a", "c"): 2}, "a:\n  b: 1\n  c: 2"),
    ("line ends of Windows", "a:\r\n  b: 1\r\n", {("a", "c"): 2}, "a:\r\n  b: 1\r\n  c: 2\r\n"),
    ("a text block", "a:\n  b: |\n   x\nd: 1", {("a", "c"): 2}, "a:\n  c: 2\n  b: |\n   x\nd: 1"),
    ("a nested end", "a:\n  b:\n  - 1 # x\n", {("a", "c"): 2}, "a:\n  b:\n  - 1 # x\n  c: 2\n"),
    ("a whole list", "b:\n- 1\n- 2 # x\nc: 3\n", {("b",): [7]}, "b:\n  [7] # x\nc: 3\n"),
    ("an anchor", "a: &n 1\nb: 2\n", {("a",): 3}, "a: &n 3\nb: 2\n"),
    ("an alias", "a: &n 1\nb: *n\n", {("b",): 3}, "a: &n 1\nb: 3\n"),
    (
        "into an alias",
        "a: &n\n  c: 1\nb: *n\n",
        {("b", "c"): 3, ("b", "d"): 4},
        "a: &n\n  c: 1\nb: {<<: *n, c: 3, d: 4}\n",
    ),
    (
        "over a merge key",
        "a: &n\n  c: 1\nb:\n  <<: *n\n  d: 1\n",
        {("b", "c"): 3},
        "a: &n\n  c: 1\nb:\n  <<: *n\n  d: 1\n  c: 3\n",
    ),
    ("other letters", "ä: 𝒳 # é\nb: 1\n", {("b",): 2, ("ä",): "ü 𝒴"}, 'ä: "ü 𝒴" # é\nb: 2\n'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "before", "changes", "after"), LAYOUTS, ids=[x[0] for x in LAYOUTS]
)
def test_only_the_values_change(
    what: str, before: str, changes: dict[Path_, Any], after: str
) -> None:
    document = parse_yaml(before.encode(), "recipe.yaml")
    assert edited(document, changes) == after
    assert yaml.safe_load(after) is not None
    if before.startswith("{"):
        json.loads(after)


@pytest.mark.parametrize(
    "value",
    [0, -3, 2**63 - 1, 1e-07, 1e300, 0.1, -2.5, True, None, "a b", "yes", "1", "0x1", "", "~",
     "a: b", ["en", "no", 1.5], {"a": [1, None]}, float("inf")],
    ids=repr,
)  # fmt: skip
def test_any_plain_value_is_read_back_by_pyyaml(value: Any) -> None:
    after = edited(parse_yaml(b"a: 1\n", "recipe.yaml"), {("a",): value})
    read = yaml.safe_load(after)["a"]
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("a: &n 1\nb: *n\n", {("a",): 2}),
        ("a: &n\n  c: 1\nb: *n\n", {("a", "c"): 2}),
        ("a: {b}\n", {("a", "b", "c"): 1}),
    ],
)
def test_a_shared_value_is_not_changed_behind_ones_back(
    text: str, changes: dict[Path_, Any]
) -> None:
    with pytest.raises(ConfigError, match="cannot be changed alone"):
        edited(parse_yaml(text.encode(), "recipe.yaml"), changes)


def test_a_text_that_cannot_be_shown_is_refused() -> None:
    with pytest.raises(ConfigError, match="characters"):
        edited(parse_yaml(b"a: 1\n", "recipe.yaml"), {("a",): "x\x00"})
