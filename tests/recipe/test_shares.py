"""What share of the samples filters drop, as Data-Juicer's filters decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autofinetune.recipe.installed import known_of
from autofinetune.recipe.shares import shares_of
from autofinetune.recipe.statistics import Statistics

from .making import refined, statistics_of

LENGTHS = list(range(1, 101))


@pytest.mark.parametrize(
    ("process", "columns", "dropped"),
    [
        ("- text_length_filter: {min_len: 11, max_len: 90}\n", {"text_len": LENGTHS}, [0.2, 0.2]),
        (
            "- text_length_filter: {min_len: 11, min_closed_interval: false}\n",
            {"text_len": LENGTHS},
            [0.11, 0.11],
        ),
        (
            "- text_length_filter: {min_len: 11, max_len: 90, reversed_range: true}\n",
            {"text_len": LENGTHS},
            [0.8, 0.8],
        ),
        (
            "- text_length_filter: {min_len: 11}\n- words_num_filter: {max_num: 15}\n",
            {"text_len": LENGTHS, "num_words": LENGTHS},
            [0.1, 0.94, 0.95],  # the default of min_num is 10
        ),
        ("- text_length_filter: {min_len: 11}\n", {"text_len": [None, 5, 20, 30]}, [0.25, 0.25]),
        (
            "- audio_duration_filter: {min_duration: 5}\n",
            {"audio_duration": [[1, 9], [1, 2], [], [6, 7]]},
            [0.25, 0.25],
        ),
        (
            "- audio_duration_filter: {min_duration: 5, any_or_all: all}\n",
            {"audio_duration": [[1, 9], [1, 2], [], [6, 7]]},
            [0.5, 0.5],
        ),
        (
            "- image_shape_filter: {min_width: 5, min_height: 5}\n",
            {"image_width": [[9, 1], [9, 1]], "image_height": [[1, 9], [9, 1]]},
            [0.5, 0.5],  # one image must be both wide and high enough
        ),
        ("- audio_size_filter:\n", {"audio_sizes": [[1], [2]]}, [0.0, 0.0]),
    ],
)
def test_shares_before(
    tmp_path: Path, process: str, columns: dict[str, list[Any]], dropped: list[float]
) -> None:
    recipe, found = refined(tmp_path, process, columns)
    shares = shares_of(found, known_of(recipe), statistics_of(tmp_path, columns))
    assert [one.before for one in shares] == pytest.approx(dropped)
    assert shares[-1].operator is None


def test_shares_after(tmp_path: Path) -> None:
    columns = {"text_len": [*([50, 51] * 50), 10_000]}
    process = "- clean_email_mapper:\n- text_length_filter:\n"
    recipe, found = refined(tmp_path, process, columns)
    one, both = shares_of(found, known_of(recipe), statistics_of(tmp_path, columns))
    assert (one.before, both.before) == (0.0, 0.0)
    assert [one.after, both.after] == pytest.approx([1 / 101, 1 / 101])


def test_a_summary_tells_no_shares(tmp_path: Path) -> None:
    recipe, found = refined(tmp_path, "- text_length_filter:\n", {"text_len": LENGTHS})
    assert shares_of(found, known_of(recipe), Statistics(None)) == []
    assert shares_of(found, known_of(recipe), Statistics(5)) == []
