"""Short texts for terminals."""

from __future__ import annotations

import io
import sys

import pytest

from autofinetune.cli.shown import clock, columns, cut, duration, path, sparkline


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.04, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (89.9, "90 s"),
     (5_000, "83 min"), (5_400, "1 h 30 min"), (200_000, "2 d 7 h")],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_curves_of_any_values() -> None:
    assert sparkline([]) == ""
    assert sparkline([5.0]) == "▄"
    assert sparkline([2.0, 2.0]) == "▄▄"
    assert sparkline([0.0, 1.0, 2.0, 7.0]) == "▁▂▃█"
    assert sparkline([-1.7e308, 1.7e308]) == "▁█"
    thinned = sparkline([float(i) for i in range(1000)], 8)
    assert thinned == "▁▂▃▄▅▆▇█"


def test_curves_where_only_ascii_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert sparkline([0.0, 1.0]) == "_#"


def test_tables_paths_and_times(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    assert columns([("a", "bb"), ("ccc", "")]) == ["a    bb", "ccc"]
    assert cut("abcdefgh", 6) == "abc..."
    assert cut("abc", 6) == "abc"
    monkeypatch.chdir(str(tmp_path))
    assert path(f"{tmp_path}/a\n/b") == "a\\n/b"
    assert path("/other\x1b") == "/other\\x1b"
    assert (clock(None), clock(1e300)) == ("-", "-")
    assert clock(1.7e9).startswith("2023-11-1")
