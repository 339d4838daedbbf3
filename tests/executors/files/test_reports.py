"""Reading what a trial reported, whatever the file contains."""

from __future__ import annotations

import errno
import json
import math
import os
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autofinetune.executors.base import Report
from autofinetune.executors.files.reports import MAX_CHUNK, MAX_LINE, parse_report, read_reports
from autofinetune.trial.report import as_line

WRITTEN = [0.25, -0.5, 0.125, math.nan, 3e-5, -math.inf, 1.0, 0.9375]
ORIGINAL = b"".join(
    as_line("final" if index % 2 else "intermediate", score, index)
    for index, score in enumerate(WRITTEN)
)


def read(path: Path, offset: int = 0) -> list[tuple[str, float, int | None]]:
    return [(found.kind, found.score, found.step) for found in read_reports(path, offset)[0]]


def read_all(path: Path) -> list[Report]:
    """Return all reports of a complete file, read until nothing is left."""
    found, offset = read_reports(path, 0)
    while True:
        more, end = read_reports(path, offset)
        if end == offset:
            return found
        found, offset = found + more, end


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reports.jsonl"


# --- one line -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"final": 0.93}', ("final", 0.93, None)),
        ('{"intermediate": 0.71, "step": 3}', ("intermediate", 0.71, 3)),
        ('  {"final": -3, "more": [1]}  ', ("final", -3.0, None)),
        ('{"final": "inf"}', ("final", math.inf, None)),
        ('{"final": Infinity}', ("final", math.inf, None)),
        ('{"final": 1e999}', ("final", math.inf, None)),
        ('{"final": 1, "step": "3"}', ("final", 1.0, None)),
        ('{"final": 1, "step": 1.5}', ("final", 1.0, None)),
        ('{"final": 1, "step": true}', ("final", 1.0, None)),
        ('{"final": 1, "step": null}', ("final", 1.0, None)),
        (f'{{"final": 1, "step": {10**30}}}', ("final", 1.0, None)),
        (f'{{"final": {10**300}}}', ("final", 1e300, None)),
    ],
)
def test_a_report(line: str, expected: tuple[str, float, int | None]) -> None:
    found = parse_report(line.encode(), 7)
    assert found == Report(*expected, 7)


def frame(record: object) -> bytes:
    """Return a line of NNI's trial side: the length, then the text with a line end."""
    said = json.dumps(record).encode() + b"\n"
    return b"ME%06d%b" % (len(said), said)


def metric(kind: str, value: object, sequence: object = 0) -> bytes:
    record = {"parameter_id": 7, "trial_job_id": "7", "type": kind, "sequence": sequence}
    return frame({**record, "value": json.dumps(value)})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (metric("PERIODICAL", 0.71, 3), ("intermediate", 0.71, 3)),
        (metric("FINAL", 2), ("final", 2.0, 0)),
        (metric("FINAL", {"default": 0.5, "loss": [1]}), ("final", 0.5, 0)),
        (metric("FINAL", math.inf), ("final", math.inf, 0)),
        (metric("PERIODICAL", 0.5, "3"), ("intermediate", 0.5, None)),
        (frame({"type": "FINAL", "value": 0.25}), ("final", 0.25, None)),
        (metric("FINAL", 0.9)[:40] + metric("FINAL", 0.5), ("final", 0.5, 0)),
    ],
)
def test_a_result_by_the_wire_of_nni(line: bytes, expected: tuple[str, float, int | None]) -> None:
    assert parse_report(line, 7) == Report(*expected, 7)


@pytest.mark.parametrize(
    "line",
    [
        frame({"type": "REQUEST_PARAMETER", "sequence": 0, "parameter_index": 1}),
        frame({"type": ["FINAL"], "value": "1"}),
        frame({"type": "FINAL"}),
        frame({"type": "FINAL", "value": "["}),
        frame({"type": "FINAL", "value": "[" * 20_000}),
        metric("FINAL", None),
        metric("FINAL", True),
        metric("FINAL", "abc"),
        metric("FINAL", [0.5]),
        metric("FINAL", {"loss": 0.5}),
        metric("FINAL", {"default": {"default": 1}}),
        metric("FINAL", 0.5)[:-2] + b"\n",
        metric("FINAL", 0.5).replace(b"ME0", b"ME1"),
        b"ME000003[1]\n",
        b"ME000002{\n",
        b"ME\n",
    ],
)
def test_what_is_no_result_by_the_wire_of_nni(line: bytes) -> None:
    assert parse_report(line, 0) is None


def test_nan_is_a_score() -> None:
    for line in (b'{"final": "nan"}', b'{"final": NaN}'):
        found = parse_report(line, 0)
        assert found is not None
        assert math.isnan(found.score)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"   ", b"0.93", b"final: 0.93", b"accuracy = 0.93", b"null", b"[]", b"{}",
        b'[{"final": 1}]', b'"final"', b'{"final"}', b'{"final": }', b'{"final": 0.9',
        b'{"final": null}', b'{"final": true}', b'{"final": []}', b'{"final": {}}',
        b'{"final": "abc"}', b'{"final": ""}', b'{"Final": 1}', b'{"score": 1}',
        b'{"final": 1, "intermediate": 2}', b'{"final": 1}{"final": 2}', b'{"final": 1} x',
        b"\0" * 50, b"\xff\xfe", b'\xff{"final": 1}', b"[" * 60_000, b'{"a":' * 10_000,
        b'{"final": ' + b"9" * 5000 + b"}", b'{"final": ' + b"1" * 400 + b"}",
        b'{"final": 1, "x": "' + b"x" * MAX_LINE + b'"}',
    ],
    ids=lambda line: repr(line[:20]),
)  # fmt: skip
def test_what_is_no_report(line: bytes) -> None:
    assert parse_report(line, 0) is None


# --- a file -------------------------------------------------------------------------------------


def test_a_missing_file_has_no_reports(path: Path) -> None:
    assert read_reports(path, 0) == ([], 0)


def test_reports_between_other_lines_are_found(path: Path) -> None:
    path.write_text('hello\n{"final": 0.5}\r\n\n{"x": 1}\n{"intermediate": 0.25, "step": 1}\n{"fi')
    assert read(path) == [("final", 0.5, None), ("intermediate", 0.25, 1)]


def test_reading_goes_on_where_it_ended(path: Path) -> None:
    path.write_text('{"final": 1}\n{"final": 2}\n')
    found, offset = read_reports(path, 0)
    assert [report.offset for report in found] == [13, 26]
    assert read(path, 13) == [("final", 2.0, None)]
    assert read_reports(path, offset) == ([], 26)
    with path.open("a") as file:
        file.write('{"final": 3}\n')
    assert read(path, offset) == [("final", 3.0, None)]
    assert read_reports(path, 10_000) == ([], 10_000)


def test_a_torn_tail_is_never_a_report(path: Path) -> None:
    lines = [b'{"final": 0.25}\n', b'{"intermediate": -12.5, "step": 17}\n', b'{"final": 1e-5}\n']
    whole = b"".join(lines)
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        assert len(read(path)) == whole[:end].count(b"\n")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, len(ORIGINAL)), max_size=8))
def test_a_file_that_grows_is_read_once_each(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("grows") / "reports.jsonl"
    found: list[Report] = []
    offset = 0
    for end in [*sorted(cuts), len(ORIGINAL)]:
        path.write_bytes(ORIGINAL[:end])
        more, offset = read_reports(path, offset)
        found += more
    assert repr([report.score for report in found]) == repr(WRITTEN)
    assert offset == len(ORIGINAL)


def test_a_long_file_is_read_in_pieces(path: Path) -> None:
    lines = [f'{{"intermediate": {index}, "pad": "{"x" * 90}"}}\n' for index in range(15_000)]
    path.write_text("".join(lines))
    first, offset = read_reports(path, 0)
    assert MAX_CHUNK - 200 < offset <= MAX_CHUNK
    assert 0 < len(first) < 15_000
    assert [report.score for report in read_all(path)] == list(range(15_000))


def test_junk_without_a_line_end_is_passed_over(path: Path) -> None:
    path.write_bytes(b"x" * (MAX_CHUNK + MAX_LINE) + b'\n{"final": 0.5}\n')
    assert [report.score for report in read_all(path)] == [0.5]


# --- damage -------------------------------------------------------------------------------------

NUMBER = re.compile(rb"[-+.\w]+")


def test_the_end_of_a_line_too_long_to_read_at_once_is_no_report(path: Path) -> None:
    for length in (MAX_LINE, MAX_CHUNK - 8, MAX_CHUNK, MAX_CHUNK + 1):
        path.write_bytes(b"x" * length)
        _, offset = read_reports(path, 0)
        with path.open("ab") as file:
            file.write(b'{"final": 0.7}\n{"final": 0.5}\n')
        assert [found.score for found in read_reports(path, offset)[0]] == [0.5]
    path.write_bytes(b"x" * (MAX_CHUNK - 5) + b'{"final": 0.7}\n')
    assert read_all(path) == []


def damage(chance: random.Random, junk: bytes | None = None, data: bytes = ORIGINAL) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(damaged))
        length = chance.choice([1, 1, 1, 2, 8])
        new = junk * length if junk else chance.randbytes(length)
        damaged[at : at + chance.choice([0, length])] = new
    return bytes(damaged)


def read_each(path: Path, versions: Iterable[bytes]) -> Iterator[set[str]]:
    """Return the scores in each version of a file, as text because NaN is not equal to itself."""
    with path.open("wb", buffering=0) as file:  # opened only once, as that is slow
        for data in versions:
            file.seek(0)
            file.truncate(file.write(data))
            yield {repr(score) for _, score, _ in read(path)}


def numbers_in(data: bytes) -> set[str]:
    found = set()
    for word in NUMBER.findall(data):
        try:
            found.add(repr(float(word)))
        except ValueError:
            continue
    return found


@pytest.mark.parametrize("thousand", range(10))
def test_a_damaged_file_holds_no_score_that_does_not_stand_in_it(
    path: Path, thousand: int
) -> None:
    versions = [damage(random.Random(1000 * thousand + index)) for index in range(1000)]
    for data, found in zip(versions, read_each(path, versions), strict=True):
        assert found <= numbers_in(data)


def test_a_damaged_wire_of_nni_holds_no_score_that_does_not_stand_in_it(path: Path) -> None:
    original = b"".join(
        metric("FINAL" if index % 2 else "PERIODICAL", {"default": score}, index)
        for index, score in enumerate(WRITTEN)
    )
    path.write_bytes(original)
    assert [repr(score) for _, score, _ in read(path)] == [repr(score) for score in WRITTEN]
    versions = [damage(random.Random(index), data=original) for index in range(2000)]
    for data, found in zip(versions, read_each(path, versions), strict=True):
        assert found <= numbers_in(data)


def test_zeros_and_line_breaks_invent_no_score(path: Path) -> None:
    written = {repr(score) for score in WRITTEN}
    junk = [b"\0", b"\n", b"\xff"]
    versions = (damage(random.Random(index), junk[index % 3]) for index in range(1000))
    assert all(found <= written for found in read_each(path, versions))


def test_damage_in_one_line_leaves_the_others(path: Path) -> None:
    lines = ORIGINAL.splitlines(keepends=True)
    for index in range(1, len(lines), 2):
        broken = [*lines[:index], b"\0" * (len(lines[index]) - 1) + b"\n", *lines[index + 1 :]]
        path.write_bytes(b"".join(broken))
        assert len(read(path)) == len(WRITTEN) - 1


# --- not a regular file -------------------------------------------------------------------------


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text('{"final": 1}\n')
    path.symlink_to(real)
    assert read_reports(path, 0) == ([], 0)


def test_a_pipe_does_not_block(path: Path) -> None:
    os.mkfifo(path)
    assert read_reports(path, 0) == ([], 0)


@pytest.mark.parametrize("other", ["/dev/zero", "/dev/full", "/proc/self/mem", "/"])
def test_devices_and_directories_are_left_alone(other: str) -> None:
    assert read_reports(Path(other), 0) == ([], 0)


def test_a_directory_is_left_alone(path: Path) -> None:
    path.mkdir()
    assert read_reports(path, 0) == ([], 0)


def test_a_huge_sparse_file_is_read_piece_by_piece(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 << 30)
    assert read_reports(path, 0) == ([], MAX_CHUNK)
    assert read_reports(path, 10 << 30) == ([], 10 << 30)


def test_a_file_that_may_not_be_read_has_no_reports(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text('{"final": 1}\n')

    def refuse(*_: object) -> bytes:
        raise PermissionError

    monkeypatch.setattr(os, "pread", refuse)
    assert read_reports(path, 0) == ([], 0)


@pytest.mark.parametrize("lacking", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_machine_without_room_says_nothing_of_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, lacking: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(lacking, "no room")

    path.write_text('{"final": 1}\n')
    with monkeypatch.context() as patched, pytest.raises(OSError, match="no room"):
        patched.setattr(os, "open", refuse)
        read_reports(path, 0)
    assert read(path) == [("final", 1.0, None)]


def test_what_train_py_writes_is_what_is_read(path: Path) -> None:
    path.write_bytes(ORIGINAL)
    assert repr([score for _, score, _ in read(path)]) == repr(WRITTEN)
    assert all(json.loads(line) for line in ORIGINAL.splitlines() if line)


def test_where_only_final_ones_are_wanted_others_are_passed_over(path: Path) -> None:
    lines = ['{"intermediate": 1}', '{"final": 2}', "{", '{"intermediate": 3, "step": 4}', "final"]
    path.write_text("\n".join(lines) + "\n")
    found, offset = read_reports(path, 0, only_final=True)
    assert [(report.kind, report.score) for report in found] == [("final", 2.0)]
    assert offset == path.stat().st_size
