"""Reading a recipe, and changing it in its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.errors import ConfigError, UsageError
from autofinetune.recipe.document import Recipe, read_recipe

TEXT = """\
# a recipe
dataset_path: data.jsonl
export_path: out/data.jsonl

process:
  - text_length_filter:  # by letters
      min_len: 1_000     # at least
      max_len: 10000
  - clean_email_mapper:
  - text_length_filter: {min_len: 1e+1}
"""


def recipe_of(tmp_path: Path, text: str, name: str = "recipe.yaml") -> Recipe:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_recipe(path)


def test_operators_come_in_order_and_may_repeat(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, TEXT)
    found = [(one.index, one.name, dict(one.arguments)) for one in recipe.operators]
    assert found == [
        (0, "text_length_filter", {"min_len": 1000, "max_len": 10000}),
        (1, "clean_email_mapper", {}),
        (2, "text_length_filter", {"min_len": 10.0}),
    ]
    assert [one.index for one in recipe.named("text_length_filter")] == [0, 2]
    assert recipe.document.value["export_path"] == "out/data.jsonl"


def test_each_value_has_its_line(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, TEXT)
    first, mapper, last = recipe.operators
    assert [recipe.line(first.path(one)) for one in ("", "min_len", "max_len")] == [7, 7, 8]
    assert recipe.where(last.path("min_len")).endswith("recipe.yaml:10:35")
    assert recipe.line(mapper.path("absent")) == 9


def test_changes_keep_comments_and_order(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, TEXT)
    first, _, last = recipe.operators
    changes = {first.path("min_len"): 20, last.path("max_len"): 99, ("export_path",): "b.jsonl"}
    after = TEXT.replace("1_000     #", "20     #").replace("1e+1}", "1e+1, max_len: 99}")
    assert recipe.edited(changes) == after.replace("out/data.jsonl", "b.jsonl")


def test_json(tmp_path: Path) -> None:
    text = '{"process": [{"text_length_filter": {"min_len": 10}}, {"words_num_filter": null}]}'
    recipe = recipe_of(tmp_path, text, "recipe.json")
    changes = {one.path("min_len"): 5 for one in recipe.operators}
    assert recipe.edited(changes) == text.replace("10", "5").replace("null", '{"min_len": 5}')


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- a\n", ":1:1 a recipe must be a mapping, found ['a']"),
        ("a: 1\n", "the list `process` is missing or empty"),
        ("process:\n", ":1:9 the list `process` is missing or empty"),
        ("process: x\n", ":1:10 process must be a list, found 'x'"),
        ("process:\n- text_length_filter\n", ":2:3 an operator must be a mapping such as"),
        ("process:\n- {}\n", ":2:3 an operator must be a mapping such as"),
        ("process:\n- op: 3\n", ":2:7 the arguments of op must be a mapping, found 3"),
        ("process:\n- op:\n  min_len: 3\n", ":3:12 min_len stands beside op; indent it below op"),
        ("process:\n- op: {a: 1, a: 2}\n", ":2:14 key 'a' appears twice"),
    ],
)
def test_mistakes_have_their_line(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        recipe_of(tmp_path, text)
    assert why in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read") as caught:
        read_recipe(tmp_path / "none.yaml")
    assert "Data-Juicer recipe" in str(caught.value.tip)
