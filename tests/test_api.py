"""The Python API, tested in separate scripts and in this process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import autofinetune as aft
from autofinetune.core.run_state import RunState
from autofinetune.core.state import Trial
from autofinetune.core.status import Status
from autofinetune.errors import AllTrialsFailed, ConfigError, EnvironmentProblem, UsageError
from autofinetune.space import parse_yaml, read_space
from tests.cli.conftest import HPARAM, TRAIN

SPACE = parse_yaml(HPARAM.encode(), "hparam.yaml").value
SCRIPT = """
import autofinetune as aft

result = aft.tune(
    "train.py",
    "hparam.yaml",
    gpu="0,1",
    popsize=2,
    round=2,
    seed=0,
    output_dir="result",
)
print("BEST", result.best.score, result.best.params["units"])
print("STATE", result.state.value, len(result.trials), result.output_dir.name)
"""
HELD = """
import autofinetune as aft

result = aft.tune("train.py", "hparam.yaml", gpu="0,1", popsize=2, round=3, output_dir="result",
                  script_args={"hold": "go"})
print("STATE", result.state.value, len([t for t in result.trials if t.status.is_final]))
raise KeyboardInterrupt  # as it would be without autofinetune
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "hparam.yaml").write_text(HPARAM)
    return tmp_path


def tune(**options: Any) -> aft.Result:
    usual: dict[str, Any] = {"gpu": "cpu:2", "popsize": 2, "round": 1}
    return aft.tune("train.py", SPACE, **usual | options)


def test_a_short_script_tunes_another(folder: Path) -> None:
    (folder / "tune.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "tune.py"], capture_output=True, text=True, check=True, cwd=folder
    )
    best, state = done.stdout.splitlines()[-2:]
    assert state == "STATE DONE 4 result"
    found = aft.open_run("result")
    assert found.best is not None
    assert best == f"BEST {found.best.score} {found.best.params['units']}"
    assert done.stdout.count("COMPLETED") == 4
    assert found.state is RunState.DONE
    assert found.best_model == folder / "result/best_model"


def test_ctrl_c_stops_it_as_it_stops_the_command(folder: Path) -> None:
    (folder / "tune.py").write_text(HELD)
    process = subprocess.Popen(
        [sys.executable, "-u", "tune.py"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, cwd=folder, env={**os.environ, "LEDGER": str(folder / "ledger")},
    )  # fmt: skip
    assert process.stdout is not None
    while (folder / "ledger").exists() is False or (folder / "ledger").read_text().count("\n") < 2:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    (folder / "go").touch()
    out = process.communicate()[0]
    assert "no new trials are started" in out
    assert "STATE STOPPED 2" in out
    assert "KeyboardInterrupt" in out
    assert aft.open_run("result").state is RunState.STOPPED


def test_each_trial_is_told_and_nothing_is_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Trial] = []
    result = tune(progress=False, on_trial=told.append, output_dir=folder / "out")
    assert {trial.id for trial in told} == {0, 1}
    assert all(trial.status is Status.COMPLETED for trial in told)
    assert capsys.readouterr().out == ""
    assert result.output_dir == folder / "out"
    assert repr(result).startswith("Result(output_dir=")


def test_a_space_may_be_a_mapping_a_file_or_an_object(folder: Path) -> None:
    space = read_space(parse_yaml(HPARAM.encode(), "hparam.yaml"))
    for given in (SPACE, "hparam.yaml", folder / "hparam.yaml", space):
        options: dict[str, Any] = {"gpu": ["0", "1"], "popsize": 1, "round": 1, "progress": False}
        result = aft.tune("train.py", given, output_dir=f"out{id(given)}", **options)
        assert list(result.trials[0].params) == ["lr", "units"]


def test_mistakes_name_options_as_python_does(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        tune(popsize=0, schedule="never", gpu=None)
    assert caught.value.mistakes[0] == "popsize=0 must be a whole number of at least 1"
    assert caught.value.mistakes[1].startswith("schedule=never is unknown; use one of: async")
    assert caught.value.mistakes[2].startswith("gpu is missing")
    assert "tune() has 3 mistakes" in str(caught.value)
    with pytest.raises(UsageError, match=r"^gpu=7_ is not a device|'7_' in --gpu"):
        tune(gpu="7_")
    with pytest.raises(TypeError, match=r"no option 'popsiz' \(did you mean 'popsize'\?\)"):
        tune(popsiz=3)
    assert not list(folder.glob("output_*"))


def test_a_run_without_a_score_is_an_error(folder: Path) -> None:
    (folder / "train.py").write_text("raise SystemExit(7)")
    with pytest.raises(AllTrialsFailed, match="every trial failed"):
        tune(progress=False, skip_preflight=True, output_dir="out")
    found = aft.open_run("out")
    assert (found.best, len(found.trials), found.state) == (None, 2, RunState.DONE)


def test_there_must_be_a_run(folder: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        aft.open_run(folder)


def test_a_script_is_tuned_in_an_event_loop(folder: Path) -> None:
    space = {"lr": (0.001, 0.05), "units": (4, 64)}
    options: dict[str, Any] = {"gpu": "cpu:2", "trials": 2, "log_to": "none", "progress": False}
    result = asyncio.run(aft.tune_async("train.py", space, output_dir="out", **options))
    assert result.history.config["passing"] == "options"  # so it was asked by --help, in a thread
    assert len(result.trials) == 2
    with pytest.raises(UsageError, match="already holds a run"):
        aft.tune("train.py", space, output_dir="out", **options)
    options["trials"] = 3
    assert len(aft.tune("train.py", space, output_dir="out", resume=True, **options).trials) == 3
    (folder / "other.py").write_text("")
    with pytest.raises(UsageError, match=r"tunes .*train\.py, not .*other\.py"):
        aft.tune("other.py", space, output_dir="out", resume=True, **options)


def test_a_script_gets_plain_values(folder: Path) -> None:
    with pytest.raises(UsageError, match="a script gets plain values, not objects of Python: act"):
        aft.tune("train.py", {"act": [abs, "relu"]}, gpu="cpu:1")
    with pytest.raises(UsageError, match="not those computed from them"):
        aft.tune("train.py", lambda trial: {"lr": 2 * trial.suggest_float("x", 0, 1)}, gpu="cpu:1")
    with pytest.raises(TypeError, match="trials and max_trials"):
        tune(trials=2, max_trials=3)
    with pytest.raises(ConfigError, match=r"the search space lr: \(1, 2, 3\) is no range"):
        aft.tune("train.py", {"lr": (1, 2, 3)}, gpu="cpu:1")


def test_a_function_needs_cloudpickle(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)  # as if it could not be found
    with pytest.raises(EnvironmentProblem) as caught:
        aft.tune(lambda lr: lr, {"lr": (0.0, 1.0)}, gpu="cpu:1")
    assert caught.value.tip == "pip install 'autofinetune[python]'"
    assert not list(folder.glob("output_*"))
