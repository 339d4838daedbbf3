"""What is read from the directory of an attempt, where a script may have written too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autofinetune.executors.files.records import read_time_limit
from autofinetune.runner.files import SPEC


@pytest.mark.parametrize(
    ("text", "wanted"),
    [('{"time_limit_s": 5.5}', 5.5), ('{"time_limit_s": null}', None), ("{}", 9.0), ("[", 9.0),
     (json.dumps({"time_limit_s": "1"}), 9.0), ('{"time_limit_s": NaN}', 9.0)],
)  # fmt: skip
def test_the_time_limit_is_that_of_the_start(
    tmp_path: Path, text: str, wanted: float | None
) -> None:
    (tmp_path / SPEC).write_text(text)
    assert read_time_limit(tmp_path, 9.0) == wanted


def test_without_the_file_it_is_the_expected_one(tmp_path: Path) -> None:
    assert read_time_limit(tmp_path, None) is None
