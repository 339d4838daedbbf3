"""The reports of a training script, and the values that it may pass."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autofinetune import report_final_result, report_intermediate_result, should_stop
from autofinetune.executors.files.reports import read_reports
from autofinetune.trial import report
from autofinetune.trial.report import REPORT_FILE_VARIABLE, STOP_FILE_VARIABLE

HEAVY = (
    "numpy", "yaml", "cma", "visualdl", "subprocess", "json", "logging", "sqlite3", "pynvml",
    "psutil", "argparse", "decimal", "dataclasses", "threading",
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "reports.jsonl"
    monkeypatch.setenv(REPORT_FILE_VARIABLE, str(path))
    return path


def scores(path: Path) -> list[float]:
    return [found.score for found in read_reports(path, 0)[0]]


def test_a_trial_should_stop_once_the_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STOP_FILE_VARIABLE, str(tmp_path / "stop"))
    assert not should_stop()
    (tmp_path / "stop").touch()
    assert should_stop()


def test_a_report_to_nowhere_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later rank does not report, whatever a launcher's variables say."""
    monkeypatch.setenv(REPORT_FILE_VARIABLE, os.devnull)
    monkeypatch.setenv("PMI_RANK", "0")
    report_final_result(0.5)
    report_intermediate_result(0.5)


def test_outside_a_run_nothing_should_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STOP_FILE_VARIABLE, raising=False)
    assert not should_stop()


# --- inside a run -------------------------------------------------------------------------------


def test_a_final_result_is_one_line(file: Path) -> None:
    report_final_result(0.93)
    (line,) = file.read_text().strip().splitlines()
    record = json.loads(line)
    assert record.pop("time") > 0
    assert record == {"final": 0.93}
    assert file.read_bytes().startswith(b"\n")
    assert file.read_bytes().endswith(b"\n")


def test_an_intermediate_result_has_a_step(file: Path) -> None:
    report_intermediate_result(0.71, step=3)
    report_intermediate_result(0.72)
    found, _ = read_reports(file, 0)
    assert [(r.kind, r.score, r.step) for r in found] == [
        ("intermediate", 0.71, 3),
        ("intermediate", 0.72, None),
    ]


def test_reports_are_appended_in_order(file: Path) -> None:
    for score in (0.5, 0.9, 0.7):
        report_final_result(score)
    assert scores(file) == [0.5, 0.9, 0.7]


def test_only_the_user_may_read_the_file(file: Path) -> None:
    report_final_result(1)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("score", "value"),
    [
        (0, 0.0), (1, 1.0), (-3, -3.0), (True, 1.0), (-1e308, -1e308), (5e-324, 5e-324),
        (2**60 + 1, float(2**60 + 1)), (np.float64(0.1), 0.1), (np.float32(0.5), 0.5),
        (np.float16(0.5), 0.5), (np.int64(3), 3.0), (np.bool_(True), 1.0), (np.array(0.25), 0.25),
        (np.array([0.5]), 0.5), (np.array([[2]]), 2.0),
    ],
)  # fmt: skip
def test_any_one_number_is_a_score(file: Path, score: Any, value: float) -> None:
    report_final_result(score)
    report_intermediate_result(score, step=0)
    assert scores(file) == [value, value]


class Scalar:
    """Like a one-element tensor of any framework."""

    def __float__(self) -> float:
        return 0.75


def test_whatever_gives_a_float_is_a_score(file: Path) -> None:
    report_final_result(Scalar())  # type: ignore[arg-type]
    assert scores(file) == [0.75]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_is_not_finite_is_recorded_as_json(file: Path, score: float) -> None:
    report_final_result(score)
    json.loads(file.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert repr(scores(file)) == repr([float(score)])


@settings(deadline=None, max_examples=50)
@given(st.floats())
def test_every_float_arrives_bit_by_bit(score: float) -> None:
    line = report.as_line("final", score, None)
    (found,) = [json.loads(part) for part in line.splitlines() if part]
    assert repr(float(found["final"])) == repr(score)


class Broken:
    """A value that can be converted neither to a number nor to a text."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        ("abc", "'abc' of type str"),
        ("", "'' of type str"),
        (None, "None of type NoneType"),
        ([0.5], "[0.5] of type list"),
        ({"acc": 0.5}, "{'acc': 0.5} of type dict"),
        (1j, "1j of type complex"),
        (np.array([0.1, 0.2]), "array([0.1, 0.2]) of type ndarray"),
        (10**400, "1000000000000000000000000000000000000000000000000000000"),
        (10**5000, "a value of type int"),
        (Broken(), "a value of type Broken"),
        (list(range(1000)), "... of type list"),
        (print, "<built-in function print> of type builtin_function_or_method"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_number_is_refused(file: Path, score: Any, shown: str) -> None:
    for function in (report_final_result, report_intermediate_result):
        with pytest.raises(TypeError, match=f"{function.__name__} needs one number") as caught:
            function(score)
        assert shown in str(caught.value)
        assert len(str(caught.value)) < 200
    assert not file.exists()


@pytest.mark.parametrize(("step", "value"), [(0, 0), (np.int64(3), 3), (2.0, 2), (True, 1)])
def test_a_step_is_an_integer_of_any_kind(file: Path, step: Any, value: int) -> None:
    report_intermediate_result(0.5, step=step)
    assert read_reports(file, 0)[0][0].step == value


@pytest.mark.parametrize("step", [2.5, "x", "3", [1], math.nan, math.inf, Broken()])
def test_what_is_no_integer_is_no_step(file: Path, step: Any) -> None:
    with pytest.raises(TypeError, match="step must be an integer"):
        report_intermediate_result(0.5, step=step)
    assert not file.exists()


# --- several at once ----------------------------------------------------------------------------


def test_threads_lose_nothing(file: Path) -> None:
    def work(number: int) -> None:
        for index in range(25):
            report_intermediate_result(number + index / 100, step=index)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = Counter(number + index / 100 for number in range(8) for index in range(25))
    assert Counter(scores(file)) == expected


def test_processes_lose_nothing(file: Path) -> None:
    code = (
        "import sys, autofinetune as hub\n"
        "for index in range(25): hub.report_final_result(int(sys.argv[1]) + index / 100)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(number)]) for number in range(4)
    ]
    assert [process.wait() for process in processes] == [0] * 4
    expected = Counter(number + index / 100 for number in range(4) for index in range(25))
    assert Counter(scores(file)) == expected


def test_a_torn_line_does_not_swallow_the_next(file: Path) -> None:
    report_final_result(0.25)
    file.write_bytes(file.read_bytes()[:-10])
    report_final_result(0.5)
    assert scores(file) == [0.5]


# --- when it cannot be written ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["missing/reports.jsonl", "."])
def test_a_place_that_cannot_be_written_is_an_os_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv(REPORT_FILE_VARIABLE, str(tmp_path / path))
    with pytest.raises(OSError, match=r"No such file|Is a directory"):
        report_final_result(0.5)


def test_a_full_disk_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            monkeypatch.setenv(REPORT_FILE_VARIABLE, "unused")
            link.unlink()
            link.symlink_to(tmp_path / "reports")

    link = tmp_path / "link"
    link.symlink_to("/dev/full")
    monkeypatch.setenv(REPORT_FILE_VARIABLE, str(link))
    monkeypatch.setattr("autofinetune.trial.report.time.sleep", wait)
    report_final_result(0.5)
    assert len(waits) == 3
    assert b'"final": 0.5' in (tmp_path / "reports").read_bytes()
    assert capsys.readouterr().err.count("the report waits for disk space") == 1


def test_a_report_cut_short_is_written_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:5]))

    def space_comes(seconds: float) -> None:
        monkeypatch.setattr(os, "write", whole)

    monkeypatch.setattr("autofinetune.trial.report.time.sleep", space_comes)
    report_final_result(0.5)
    assert scores(file) == [0.5]


# --- outside a run ------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", [None, ""])
def test_outside_a_run_a_report_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str | None
) -> None:
    monkeypatch.delenv(REPORT_FILE_VARIABLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(REPORT_FILE_VARIABLE, variable)
    with caplog.at_level(logging.WARNING, "autofinetune"):
        report_final_result(np.float64(0.5))
        report_intermediate_result(0.25, step=1)
    assert [record.getMessage() for record in caplog.records] == [
        "final result 0.5 (not inside a run, so it is not recorded)",
        "intermediate result 0.25 (not inside a run, so it is not recorded)",
    ]


def test_outside_a_run_a_mistake_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REPORT_FILE_VARIABLE, raising=False)
    with pytest.raises(TypeError, match="needs one number"):
        report_final_result("abc")  # type: ignore[arg-type]


# --- what it costs ------------------------------------------------------------------------------


def test_importing_the_package_loads_next_to_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import autofinetune; "
        "print(*sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    loaded = set(done.stdout.split())
    assert loaded >= {"autofinetune", "autofinetune.trial.report"}
    assert {name.partition(".")[0] for name in loaded} & set(HEAVY) == set()
