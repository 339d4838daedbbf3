"""Scores in the output of a trial: lines, marks, and a disk that is full for a while."""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autofinetune.executors.base import Report
from autofinetune.executors.files.reports import read_reports
from autofinetune.runner.scan import MOST_LINE, PADDLEHUB, Scanner

ACC = r"acc=([0-9.eE+-]+|nan)"


def found_in(path: Path, *pieces: bytes, pattern: str = ACC, marks: bool = False) -> list[Report]:
    """Return the reports of a trial that printed these pieces."""
    scanner = Scanner(str(path), pattern, has_marks=marks)
    for piece in pieces:
        scanner.feed(piece)
    scanner.close()
    assert scanner.write()
    return read_reports(path, 0)[0]


def scores(reports: list[Report]) -> list[tuple[str, float, int | None]]:
    return [(report.kind, report.score, report.step) for report in reports]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (b"epoch 1 acc=0.5\nepoch 2 acc=0.75\n", [0.5, 0.75]),
        (b"10%|#| acc=0.1\r20%|##| acc=0.2\r\n", [0.1, 0.2]),
        (b"\x1b[32macc=\x1b[0m0.25\n", [0.25]),
        (b"no end of line: acc=0.5", [0.5]),
        (b"acc=0.5 best acc=0.9\n", [0.5]),
        (b"acc=1.2.3 is no number\nacc=0.5\n", [0.5]),
        (b"\xff\xfe acc=0.5\n", [0.5]),
        (b"x" * MOST_LINE + b"acc=0.5\nacc=0.25\n", [0.25]),
        (b"nothing\n", []),
        (b"", []),
    ],
)
def test_values_by_a_pattern(tmp_path: Path, printed: bytes, expected: list[float]) -> None:
    reports = found_in(tmp_path / "reports", printed)
    assert scores(reports) == [("intermediate", value, n) for n, value in enumerate(expected)]


def test_a_value_that_is_no_number_of_json_arrives(tmp_path: Path) -> None:
    (report,) = found_in(tmp_path / "reports", b"acc=nan\n")
    assert report.score != report.score


@given(cuts=st.lists(st.integers(0, 60), max_size=8))
def test_it_does_not_matter_how_the_output_is_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    printed = b"acc=0.125\n" + PADDLEHUB + b"0.93\r\nacc=0.25\nacc=0.5"
    places = [0, *sorted(cuts), len(printed)]
    pieces = [printed[a:b] for a, b in itertools.pairwise(places)]
    path = tmp_path_factory.mktemp("scan") / "reports"
    assert scores(found_in(path, *pieces, marks=True)) == [
        ("intermediate", 0.125, 0),
        ("final", 0.93, None),
        ("intermediate", 0.25, 1),
        ("intermediate", 0.5, 2),
    ]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (b"AutoFinetuneEval\t0.93\n", [0.93]),
        (b"  AutoFinetuneEval\tacc\t0.93", [0.93]),
        (b"AutoFinetuneEval\t0.5\nAutoFinetuneEval\t0.93\n", [0.5, 0.93]),
        (b"AutoFinetuneEval 0.93\n", []),
        (b"said AutoFinetuneEval\t0.93\n", []),
        (b"AutoFinetuneEval\tgood\n", []),
    ],
)
def test_the_mark_of_paddlehub(tmp_path: Path, printed: bytes, expected: list[float]) -> None:
    reports = found_in(tmp_path / "reports", printed, pattern="", marks=True)
    assert [(report.kind, report.score) for report in reports] == [("final", v) for v in expected]


def test_nothing_is_looked_for_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert found_in(tmp_path / "reports", b"acc=0.5\nAutoFinetuneEval\t0.93\n", pattern="") == []
    assert not (tmp_path / "reports").exists()


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    path = tmp_path / "reports"
    scanner = Scanner(str(path), ACC)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        scanner.feed(b"acc=0.5\n")
        scanner.close()
        assert not scanner.write()
    assert scanner.write()
    assert scores(read_reports(path, 0)[0]) == [("intermediate", 0.5, 0)]


def test_a_link_in_the_place_of_the_reports_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "reports").symlink_to(tmp_path / "elsewhere")
    assert found_in(tmp_path / "reports", b"acc=0.5\n") == []
    assert not (tmp_path / "elsewhere").exists()
