"""The comparison inside Optuna, in small."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration import library

library("optuna")

from benchmarks.in_optuna.__main__ import main  # noqa: E402


def test_searches_are_kept_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--samplers=tpe,optuna-random,optuna-auto", "--tasks=bbob/sphere-2-1", "--seeds=2"]
    words += ["--trials=4", f"--cache={tmp_path / 'cells.jsonl'}"]
    for command in ("run", "report", "run"):
        monkeypatch.setattr(sys, "argv", ["in_optuna", command, *words])
        assert main() == 0
    assert len((tmp_path / "cells.jsonl").read_text().splitlines()) == 4
    first, *rest = capsys.readouterr().out.split("1 tasks, 2 seeds: bbob/sphere-2-1\n")
    assert first.count("ms a trial") == 4
    assert len(rest) == 3
    assert {line.split(" | ")[0] for line in rest[1].splitlines()[3:]} == {
        '| `StrategySampler("tpe")`',
        "| `RandomSampler()`",
    }
