"""The environment and files of a trial."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autofinetune.core.slot import Slot
from autofinetune.executors import Attempt
from autofinetune.executors.files.hand_over import hand_over
from autofinetune.executors.files.reports import read_reports
from autofinetune.trial.report import PARAMS_VARIABLE, REPORT_FILE_VARIABLE


def attempt_of(directory: Path, params: dict[str, Any], **fields: Any) -> Attempt:
    known: dict[str, Any] = {
        "run": "r1",
        "trial": 7,
        "attempt": 1,
        "slot": Slot("a"),
        "argv": ("train.py",),
        "env": {PARAMS_VARIABLE: json.dumps(params), "AUTOFINETUNE_SAVED_PARAMS_DIR": "/model"},
        "working_dir": "/code",
        "directory": str(directory),
        "log": "log",
        "grace_s": 1.0,
    }
    return Attempt(**(known | fields))


def test_reports_and_the_wish_to_stop_have_files_that_variables_name(tmp_path: Path) -> None:
    env = hand_over(attempt_of(tmp_path, {"lr": 0.1}), tmp_path)
    assert env[PARAMS_VARIABLE] == '{"lr": 0.1}'
    assert env[REPORT_FILE_VARIABLE] == str(tmp_path / "reports.jsonl")
    assert env["AUTOFINETUNE_STOP_FILE"] == str(tmp_path / "stop")
    assert not [name for name in env if name.startswith("NNI_")]
    assert list(tmp_path.iterdir()) == []


def test_the_files_of_an_attempt_are_written(tmp_path: Path) -> None:
    hand_over(attempt_of(tmp_path, {}, files={"params.json": '{"a": "ö"}'}), tmp_path)
    assert (tmp_path / "params.json").read_text(encoding="utf-8") == '{"a": "ö"}'


@pytest.mark.parametrize("is_long", [False, True])
def test_the_wire_of_nni_is_laid_and_may_be_laid_again(tmp_path: Path, is_long: bool) -> None:
    params = {"kernel": "x"}
    attempt = attempt_of(tmp_path, params, nni_wire=True)
    if is_long:  # then it is in a file
        attempt = attempt_of(
            tmp_path, params, nni_wire=True, files={"params.json": json.dumps(params)},
            env={PARAMS_VARIABLE: "", "AUTOFINETUNE_SAVED_PARAMS_DIR": "/model"},
        )  # fmt: skip
    for _ in range(2):
        env = hand_over(attempt, tmp_path)
    assert {name: value for name, value in env.items() if not name.startswith("AUTO")} == {
        "NNI_PLATFORM": "local",
        "NNI_EXP_ID": "r1",
        "NNI_TRIAL_JOB_ID": "7",
        "NNI_TRIAL_SEQ_ID": "7",
        "NNI_SYS_DIR": str(tmp_path),
        "NNI_OUTPUT_DIR": "/model",
        "NNI_CODE_DIR": "/code",
        "NNI_TRIAL_COMMAND_CHANNEL": "",
        "MULTI_PHASE": "false",
        "REUSE_MODE": "false",
    }
    record = json.loads((tmp_path / "parameter.cfg").read_text())
    assert (record["parameter_id"], record["parameters"]) == (7, params)
    with (tmp_path / ".nni/metrics").open("ab") as file:
        file.write(b'ME000033{"type": "FINAL", "value": "2"}\n'.replace(b"33", b"32"))
    (found,) = read_reports(Path(env[REPORT_FILE_VARIABLE]), 0)[0]
    assert (found.kind, found.score) == ("final", 2.0)
