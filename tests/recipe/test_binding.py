"""Names of hyperparameters, and the arguments of a recipe that they set."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.recipe.binding import changes, read_word, target_of
from autofinetune.recipe.document import Recipe, read_recipe

TEXT = """
np: 4
dataset_path: data.jsonl
process:
  - text_length_filter:
      min_len: 10
  - words_num_filter:
  - text_length_filter: {max_len: 900}
  - my_filter:
      anything: 1
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "recipe.yaml").write_text(TEXT)
    return read_recipe(tmp_path / "recipe.yaml")


def test_values_get_the_types_of_the_arguments(recipe: Recipe) -> None:
    found = changes(
        {"text_length_filter#2.max_len": 700.0, "words_num_filter.min_num": 3, "np": 2,
         "my_filter.ratio": 0.5},
        recipe,
    )  # fmt: skip
    assert found == {
        ("process", 2, "text_length_filter", "max_len"): 700,
        ("process", 1, "words_num_filter", "min_num"): 3,
        ("np",): 2,
        ("process", 3, "my_filter", "ratio"): 0.5,
    }
    assert [type(value) for value in found.values()] == [int, int, int, float]
    assert target_of("text_length_filter#1.min_len", recipe).value == 10


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text_length_filter.min_len", "has 2 operators .* write text_length_filter#1"),
        ("text_length_filter#3.min_len", "only 2 of the operator"),
        ("text_lenght_filter.min_len", "did you mean 'text_length_filter'"),
        ("words_num_filter.min_len", "no argument 'min_len'; it has: .*min_num"),
        ("export_path", "neither operator.argument nor a value"),
        ("npp", "did you mean 'np'"),
    ],
)
def test_a_wrong_name_is_refused(recipe: Recipe, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        target_of(name, recipe)


def test_a_wrong_value_is_refused(recipe: Recipe) -> None:
    with pytest.raises(ValueError, match=r"words_num_filter.min_num=1.5 must be an int"):
        changes({"words_num_filter.min_num": 1.5}, recipe)


@pytest.mark.parametrize("value", [3, 0.25, True, None, "en", [1, 2], "a b"])
def test_words_of_the_command_line_are_read_back(value: object) -> None:
    word = value if isinstance(value, str) else repr(value)
    assert read_word(word) == value
