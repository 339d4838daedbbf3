"""NNI's trial API: in a trial, and in a script started by itself."""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autofinetune.executors.files.reports import read_reports
from autofinetune.space import load_space
from autofinetune.trial import nni
from autofinetune.trial.report import PARAMS_FILE_VARIABLE, PARAMS_VARIABLE, REPORT_FILE_VARIABLE

SPACE = {
    "lr": {"_type": "loguniform", "_value": [1e-4, 0.1]},
    "units": {"_type": "randint", "_value": [16, 65]},
    "width": {"_type": "quniform", "_value": [0, 8, 2]},
    "betas": {"_type": "choice", "_value": [[0.9, 0.99], None, True, "x"]},
    "optimizer": {
        "_type": "choice",
        "_value": [
            {"_name": "sgd", "momentum": {"_type": "uniform", "_value": [0, 1]}},
            {"_name": "adam"},
        ],
    },
    "layer": {"_type": "layer_choice", "_value": ["conv", "pool"]},
    "skip": {"_type": "input_choice", "_value": {"candidates": ["a", "b"], "n_chosen": 1}},
}
IN_A_TRIAL = {
    "AUTOFINETUNE_RUN": "r1",
    "AUTOFINETUNE_TRIAL": "7",
    PARAMS_VARIABLE: '{"lr": 0.01}',
}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset the module to a process that has just started, outside any run."""
    for name in (*IN_A_TRIAL, PARAMS_FILE_VARIABLE, REPORT_FILE_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(nni, "_current", None)
    monkeypatch.setattr(nni, "_intermediate", 0)


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name, value in IN_A_TRIAL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(REPORT_FILE_VARIABLE, str(tmp_path / "reports"))
    return tmp_path / "reports"


def reported(path: Path) -> list[tuple[str, float, int | None]]:
    return [(found.kind, found.score, found.step) for found in read_reports(path, 0)[0]]


# --- in a trial ---------------------------------------------------------------------------------


def test_parameters_are_those_of_the_space_in_their_types(
    monkeypatch: pytest.MonkeyPatch, reports: Path
) -> None:
    space = load_space(SPACE)
    wanted = space.nest(space.init_params)
    monkeypatch.setenv(PARAMS_VARIABLE, json.dumps(wanted))
    given = nni.get_next_parameter()
    assert given == wanted
    assert given is not None
    assert {name: type(value) for name, value in given.items()} == {
        "lr": float, "units": int, "width": float, "betas": list,
        "optimizer": dict, "layer": dict, "skip": dict,
    }  # fmt: skip
    assert given["optimizer"] == {"_name": "sgd", "momentum": 0.5}
    assert given["layer"] == {"_value": "conv", "_idx": 0}
    assert given["skip"] == {"_value": ["a"], "_idx": [0]}


def test_long_parameters_stand_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reports: Path
) -> None:
    (tmp_path / "params.json").write_text('{"words": "xyz"}')
    monkeypatch.delenv(PARAMS_VARIABLE)
    monkeypatch.setenv(PARAMS_FILE_VARIABLE, str(tmp_path / "params.json"))
    assert nni.get_next_parameters() == {"words": "xyz"}


def test_a_trial_asks_once_and_may_look_again(reports: Path) -> None:
    assert nni.get_current_parameter() is None
    assert nni.get_current_parameter("lr") is None
    assert nni.get_next_parameter() == {"lr": 0.01}
    assert nni.get_next_parameter() is None
    assert nni.get_current_parameter() == {"lr": 0.01}
    assert nni.get_current_parameter("lr") == 0.01
    with pytest.raises(KeyError):
        nni.get_current_parameter("units")


def test_a_trial_knows_its_names(reports: Path) -> None:
    names = nni.get_experiment_id(), nni.get_trial_id(), nni.get_sequence_id()
    assert names == ("r1", "7", 7)


def test_results_are_numbers_or_dicts_with_a_default(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nni.report_intermediate_result(np.float32(0.25))  # type: ignore[arg-type]
    nni.report_intermediate_result({"default": 0.5, "loss": [1, 2]})
    nni.report_intermediate_result(1)
    nni.report_final_result({"loss": 3, "default": np.float64(0.75)})
    assert reported(reports) == [
        ("intermediate", 0.25, 0), ("intermediate", 0.5, 1), ("intermediate", 1.0, 2),
        ("final", 0.75, None),
    ]  # fmt: skip
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        ("abc", "needs one number"),
        ([1, 2], "needs one number"),
        ({"default": None}, "needs one number"),
        ({"loss": 0.5, 3: 1}, r"under 'default'; found the keys \['3', 'loss'\]"),
    ],
)
@pytest.mark.parametrize("where", ["in a trial", "outside"])
def test_what_is_no_result_is_refused_in_a_run_and_outside(
    request: pytest.FixtureRequest, metric: Any, why: str, where: str
) -> None:
    path: Path | None = None
    if where == "in a trial":
        path = request.getfixturevalue("reports")
    for kind in ("intermediate", "final"):
        with pytest.raises(TypeError, match=f"report_{kind}_result needs .*{why[6:]}"):
            getattr(nni, f"report_{kind}_result")(metric)
    assert path is None or not path.exists()


# --- outside a run ------------------------------------------------------------------------------


def test_outside_of_a_run_the_defaults_of_the_script_stay() -> None:
    params = {"lr": 0.1}
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="not a trial of a run") as caught:
            params.update(nni.get_next_parameter() or {})
        assert caught[0].filename == __file__
    assert params == {"lr": 0.1}
    assert nni.get_current_parameter() == {}
    names = nni.get_experiment_id(), nni.get_trial_id(), nni.get_sequence_id()
    assert names == ("STANDALONE", "STANDALONE", 0)


def test_outside_of_a_run_results_are_printed(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        nni.report_intermediate_result(0.5)
        nni.report_intermediate_result({"default": 0.75})
        nni.report_final_result(0.9)
    assert capsys.readouterr().out.splitlines() == [
        "Intermediate result: 0.5  (Index 0)",
        "Intermediate result: {'default': 0.75}  (Index 1)",
        "Final result: 0.9",
    ]
    assert caplog.records == []


# --- options and parameters ---------------------------------------------------------------------


def test_parameters_take_the_place_of_options() -> None:
    options = argparse.Namespace(lr=0.1, units=16, name=None)
    assert nni.merge_parameter(options, {"lr": 1, "name": "x"}) is options
    assert vars(options) == {"lr": 1.0, "units": 16, "name": "x"}
    assert isinstance(options.lr, float)
    assert nni.merge_parameter({"lr": 0.1}, {"lr": 0.2}) == {"lr": 0.2}
    assert nni.merge_parameter({"lr": 0.1}, None) == {"lr": 0.1}


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"rate": 1}, "no option 'rate'"),
        ({"units": 1.5}, "has type int, but its parameter has float"),
    ],
)
def test_parameters_that_are_no_options_are_refused(params: dict[str, Any], why: str) -> None:
    for options in ({"units": 16}, argparse.Namespace(units=16)):
        with pytest.raises(ValueError, match=why):
            nni.merge_parameter(options, params)


def test_the_calls_load_the_standard_library_only() -> None:
    code = (
        "import sys; import autofinetune.nni; "
        "print(*[m for m in ('numpy', 'yaml', 'subprocess') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "\n"


def test_every_call_has_a_name_that_nni_has() -> None:
    assert set(nni.__all__) == {
        "get_next_parameter", "get_next_parameters", "get_current_parameter",
        "report_intermediate_result", "report_final_result", "get_experiment_id", "get_trial_id",
        "get_sequence_id", "merge_parameter",
    }  # fmt: skip
    assert all(callable(getattr(nni, name)) for name in nni.__all__)
