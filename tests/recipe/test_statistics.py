"""Reading the files that Data-Juicer's Analyzer writes, whatever is in them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from autofinetune.errors import ConfigError, UsageError
from autofinetune.recipe import statistics as module
from autofinetune.recipe.statistics import KEY, read_statistics

from .making import Columns, write_stats


def test_numbers_and_lists_of_each_sample(tmp_path: Path) -> None:
    columns: Columns = {"a": [1, 2.5, None], "b": [[1, 2], [], [3]], "unwanted": [1, 2, 3]}
    found = read_statistics(write_stats(tmp_path / "x", columns), ["a", "b", "absent"])
    assert found.samples == 3
    assert found.columns.keys() == {"a", "b"}
    a, b = found.columns["a"], found.columns["b"]
    assert np.array_equal(a.values, [1, 2.5, math.nan], equal_nan=True)
    assert a.counts is None
    assert a.items().missing == pytest.approx(1 / 3)
    assert b.values.tolist() == [1, 2, 3]
    assert b.counts is not None
    assert b.counts.tolist() == [2, 0, 1]


def test_which_number_of_a_list_decides(tmp_path: Path) -> None:
    columns = {"a": [[1, 9], [4], [], [None], [3, 5, 30]]}
    column = read_statistics(write_stats(tmp_path / "x", columns), ["a"]).columns["a"]
    assert column.spread("lower", "all").values.tolist() == [1, 4, 3]
    assert column.spread("upper", "all").values.tolist() == [9, 4, 30]
    any_of_them = column.spread("lower", "any")  # nearest to the median, which is 4.5
    assert any_of_them.values.tolist() == [1, 4, 5]
    assert any_of_them.missing == pytest.approx(1 / 4)


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    columns: Columns = {
        "text": ["a"],
        "flag": [True],
        "map": [{}],
        "deep": [[[1]]],
        "huge": [10**400],
    }
    found = read_statistics(write_stats(tmp_path / "x", columns), list(columns)).columns
    assert {name: one.other for name, one in found.items()} == {
        "text": "text", "flag": "true or false", "map": "a mapping", "deep": "a list of lists",
        "huge": "",
    }  # fmt: skip
    assert [one.items().count for one in found.values()] == [0] * 5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"__dj__stats__": {"a": 1}}\n\n{"__dj__stats__": \n', ":3 is not JSON"),
        (b'{"__dj__stats__": {"a": \xff}}\n', ":1 is not JSON"),
        (b'{"text": "x"}\n', ":1 has no __dj__stats__"),
        (b'{"__dj__stats__": {}}\n[1]\n', ":2 has no __dj__stats__, found [1]"),
        (b'{"__dj__stats__": [1]}\n', ":1 has no __dj__stats__"),
        (b'{"__dj__stats__": ' + b"[" * 100_000 + b"\n", ":1 is not JSON"),
        (b"", ":1 is no overall.csv: it has no row count"),
        (b"a,b\n1,2\n", ":1 is no overall.csv: it has no row count"),
        (b"\xff\xfe,a\n", ":1 is no overall.csv"),
        (b"process:\n- a:\n", ":1 is no overall.csv"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: bytes, why: str) -> None:
    path = tmp_path / "stats"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        read_statistics(path, ["a"])
    assert why in str(caught.value)
    assert "dj-analyze" in str(caught.value.tip)


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINE", 1 << 20)
    path = tmp_path / "stats"
    path.write_bytes(b'{"a": "' + b"x" * (2 << 20))
    with pytest.raises(ConfigError, match="longer than 1 MiB"):
        read_statistics(path, ["a"])


@pytest.mark.parametrize("name", ["none", ".", "a\0b"])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot read --stats="):
        read_statistics(tmp_path / name, ["a"])


def test_a_summary(tmp_path: Path) -> None:
    path = tmp_path / "overall.csv"
    path.write_text(",a,b,c\ncount,4,0,x\nmean,2.5,,inf\nstd,1.5,,1\n10%,1,,\nx%,7,,\nmax,4,,\n")
    found = read_statistics(path, ["a", "b", "c"])
    assert found.samples is None
    a, b, c = (found.summaries[name] for name in "abc")
    assert (a.count, a.mean, a.std, a.mad) == (4, 2.5, 1.5, None)
    assert [a.quantile(share) for share in (0.1, 1.0, 0.5)] == [1.0, 4.0, None]
    assert (b.count, b.mean, c.count, c.mean) == (0, None, 0, None)


def test_many_samples_take_eight_bytes_a_number(tmp_path: Path) -> None:
    path = tmp_path / "x"
    line = json.dumps({KEY: {"a": 0.123456789, "b": 7}, "__dj__meta__": {}}) + "\n"
    path.write_text(line * 20_000)
    column = read_statistics(path, ["a"]).columns["a"]
    assert column.values.nbytes == 160_000
    assert column.items().std == 0.0
