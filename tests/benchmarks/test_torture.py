"""The page of the torture benchmark says what its rows say; its reading of reports is right."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from benchmarks.torture import repeats
from benchmarks.torture.files import carried, has_place
from benchmarks.torture.long_runs import Look, left_zombies, percentile
from benchmarks.torture.page import page
from benchmarks.torture.rows import Outcome, Row, merged, read_rows, write_rows

ROW = Row("kills", "kill -9", "none", 3, "abc", "2030-01-01", "2 cores", done="9 kills")


def test_a_part_run_again_replaces_its_row(tmp_path: Path) -> None:
    other = dataclasses.replace(ROW, part="yaml")
    again = dataclasses.replace(ROW, commit="def", violations={"lost results": 1})
    write_rows(tmp_path / "rows.json", merged([ROW], [other, again], ["yaml", "kills"]))
    assert read_rows(tmp_path / "rows.json") == [other, again]
    assert read_rows(tmp_path / "none.json") == []


def test_the_page_tells_violations_reasons_and_what_is_missing() -> None:
    violated = dataclasses.replace(ROW, violations={"lost results": 2, "orphans": 0})
    skipped = dataclasses.replace(ROW, part="steps", skipped="strace missing")
    text = page([violated, skipped], ["kills", "steps", "soak"])
    assert "| 9 kills | **2 lost results, 0 orphans** |" in text
    assert "| not run | strace missing |" in text
    assert "not run: soak." in text


def test_scores_that_lines_carry() -> None:
    lines = [
        b'{"final": 0.5}',
        b'{"final": "nan"}',
        b'{"final": true}',
        b'{"final": 1, "step": 2}',
    ]
    assert (
        repr(carried(b"\n".join([*lines, b'[["final", 3]]', b'{"final": 9}'])))
        == "[0.5, nan, 1.0]"
    )


def test_places_of_mistakes() -> None:
    assert has_place("h.yaml:2:1 wrong", Path("h.yaml"), b"a\nb")
    assert not has_place("h.yaml:9:1 wrong", Path("h.yaml"), b"a\nb")
    assert not has_place("wrong", Path("h.yaml"), b"a")


def test_failed_tests_of_a_repeat_are_counted(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(
        "<testsuites><testsuite><testcase name='a'/><testcase name='b'><skipped/></testcase>"
        "<testcase name='c'><failure message='no'>x</failure></testcase></testsuite></testsuites>"
    )
    outcome = Outcome()
    repeats.read(tmp_path / "report.xml", 7, outcome)
    assert outcome.done == {"tests": 2, "skipped": 1}
    assert outcome.violations == [(repeats.FLAKE, "repeat 7: c: no")]


def test_percentiles() -> None:
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 3.0
    assert percentile([1.0], 0.99) == 1.0


def test_a_zombie_is_left_when_nobody_waits_for_it_in_time() -> None:
    seen = [{1, 2}, {1, 3}, {1, 2}, {2}]
    looks = [
        Look(at, 1.0, 3, 1, frozenset(zombies))
        for at, zombies in zip((0.0, 4.0, 6.0, 10.0), seen, strict=True)
    ]
    assert left_zombies(looks) == {1}
