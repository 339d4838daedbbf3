"""Our runs as studies of Optuna, and studies as prior knowledge of our runs."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from autofinetune.cli import main
from autofinetune.core.status import Direction
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.run.prior import read_study, with_prior
from autofinetune.space import load_space
from autofinetune.strategies import Known
from tests.helpers import config_of
from tests.integration import library
from tests.runs import Written

optuna: Any = library("optuna")

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: E402

SPACE = load_space({
    "param_list": [
        {"name": "lr", "type": "float", "greater_than": 1e-4, "lower_than": 0.1, "log": True}
        | {"init_value": 0.01},
        {"name": "units", "type": "int", "greater_than": 8, "lower_than": 65, "step": 8}
        | {"init_value": 16},
        {"name": "drop", "type": "float", "greater_than": 0, "lower_than": 0.5, "step": 0.1}
        | {"init_value": 0.2},
        {"name": "optimizer", "type": "choice", "choices": ["sgd", "adam"]},
        {"name": "momentum", "type": "float", "greater_than": 0, "lower_than": 1}
        | {"init_value": 0.9, "only_if": {"optimizer": "sgd"}},
        {"name": "flag", "type": "choice", "choices": [1, True]},
        {"name": "noise", "type": "float", "distribution": "normal", "mean": 0, "deviation": 1}
        | {"init_value": 0},
    ]
})  # fmt: skip
ADAM: dict[str, Any] = {
    "lr": 0.001,
    "units": 24,
    "drop": 0.3,
    "optimizer": "adam",
    "flag": True,
    "noise": 0.5,
}
SGD: dict[str, Any] = {**ADAM, "optimizer": "sgd", "momentum": 0.5, "flag": 1}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    monkeypatch.chdir(tmp_path)
    run = Written(tmp_path / "result", SPACE, direction=Direction.MINIMIZE)
    run.created(0, **ADAM)
    run.started(0)
    run.reported(0, 0.9, 0.7)
    run.ended(0, 0.6)
    run.created(1, **SGD)
    run.started(1)
    run.reported(1, 0.8)
    run.ended(1, 0.8, status="STOPPED", reason="not among the best", estimate=0.7)
    run.created(2, **ADAM)
    run.started(2)
    run.ended(2, None, reason="exit_code 1")
    run.created(3, **SGD)
    run.started(3)
    return run


def load(url: str = "sqlite:///study.db", name: str = "result") -> Any:
    return optuna.load_study(storage=url, study_name=name)


def test_a_run_becomes_a_study(run: Written, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "result", "--optuna=sqlite:///study.db"]) == 0
    assert "3 ended trials written to the study result" in capsys.readouterr().out
    study = load()
    assert study.direction.name == "MINIMIZE"
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED", "FAIL"]
    assert [trial.value for trial in study.trials] == [0.6, 0.8, None]
    assert [trial.params for trial in study.trials] == [
        {**ADAM, "flag": "True"},
        {**SGD, "flag": "1"},
        {**ADAM, "flag": "True"},
    ]
    assert study.trials[0].intermediate_values == {0: 0.9, 1: 0.7}
    assert study.trials[1].distributions == {
        "lr": FloatDistribution(1e-4, 0.1, log=True),
        "units": IntDistribution(8, 64, step=8),
        "drop": FloatDistribution(0.0, 0.5, step=0.1),
        "optimizer": CategoricalDistribution(["sgd", "adam"]),
        "momentum": FloatDistribution(0.0, 1.0),
        "flag": CategoricalDistribution(["1", "True"]),
        "noise": study.trials[0].distributions["noise"],
    }
    attributes = [trial.user_attrs for trial in study.trials]
    assert [one["trial"] for one in attributes] == [0, 1, 2]
    assert [one.get("reason") for one in attributes] == [None, "not among the best", "exit_code 1"]
    began, ended = study.trials[0].datetime_start, study.trials[0].datetime_complete
    assert (ended - began).total_seconds() == 4.0  # an event is a second
    assert began.timestamp() > run.at - 60


def test_a_study_is_never_added_to(run: Written, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "result", "--optuna=sqlite:///study.db#mine"]
    assert main(words) == 0
    assert main(words) == 2
    assert "there is a study 'mine' in sqlite:///study.db already" in capsys.readouterr().err
    assert len(load(name="mine").trials) == 3
    assert main([*words[:2], "--optuna=study.db"]) == 2
    assert main([*words[:2], "--optuna=sqlite:////no/such/folder/a.db"]) == 4
    assert main([*words[:2], "--optuna=oracle://me:secret@host/a"]) == 4
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "secret" not in told


# --- prior knowledge ----------------------------------------------------------------------------


def source(direction: str = "minimize", name: str = "s") -> Any:
    return optuna.create_study(storage="sqlite:///prior.db", study_name=name, direction=direction)


def add(study: Any, value: float | None, state: str = "COMPLETE", **params: Any) -> None:
    distributions = {
        "lr": FloatDistribution(1e-6, 1.0, log=True),
        "units": FloatDistribution(0, 100),
        "optimizer": CategoricalDistribution(["sgd", "adam", "lamb"]),
        "momentum": FloatDistribution(0, 1),
        "other": IntDistribution(0, 9),
    }
    study.add_trial(
        optuna.create_trial(
            state=optuna.trial.TrialState[state],
            value=value,
            params=params,
            distributions={name: distributions[name] for name in params},
            intermediate_values={} if state == "FAIL" else {0: 2.0, 1: 1.0},
        )
    )


REST: dict[str, Any] = {"drop": 0.2, "flag": 1, "noise": 0.0}


def test_trials_are_matched_by_name_and_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = source()
    add(study, 0.5, lr=0.01, units=32.0, optimizer="adam", other=3)
    add(study, 0.4, lr=0.02, optimizer="sgd", momentum=0.1)
    add(study, None, "FAIL", lr=0.03, optimizer="adam", momentum=0.1)
    add(study, None, "PRUNED", lr=0.04, optimizer="adam")
    add(study, 0.1, lr=0.5)  # out of range
    add(study, 0.1, lr=0.01, units=33.0)  # between two values
    add(study, 0.1, optimizer="lamb")  # not one of the choices
    add(study, 0.1, other=1)  # no name in common
    study.ask()
    found = read_study("optuna:sqlite:///prior.db#s", SPACE, Direction.MINIMIZE)
    adam: dict[str, Any] = {"units": 16, "optimizer": "adam", **REST}
    *found, pruned = found
    assert found == [
        Known({"lr": 0.01, **adam, "units": 32}, -0.5),
        Known({"lr": 0.02, **adam, "optimizer": "sgd", "momentum": 0.1}, -0.4),
        Known({"lr": 0.03, **adam}, None),
    ]
    # Estimated: the last report, and what the complete ones gained from there on.
    assert pruned.merit == pytest.approx(-0.45)
    assert type(found[0].params["units"]) is int


def test_a_run_takes_studies_beside_other_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    add(source(), 0.5, lr=0.01)
    told: list[str] = []
    (tmp_path / "a.csv").write_text("lr,score\n0.02,0.4\n")
    config = config_of(SPACE, direction=Direction.MINIMIZE, working_dir=str(tmp_path))
    monkeypatch.chdir("/")
    both = {"warm_start": "a.csv,optuna:sqlite:///prior.db"}
    found = with_prior(config, both, told.append)
    assert [[one["merit"] for one in run] for run in found.earlier] == [[-0.4], [-0.5]]
    assert told[1] == "warm start: 1 trials of optuna:sqlite:///prior.db fit this space"


def test_what_cannot_be_used_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    add(source(), 0.5, other=1)
    add(source("maximize", "up"), 0.5, lr=0.01)
    optuna.create_study(
        storage="sqlite:///prior.db", study_name="two", directions=["minimize", "maximize"]
    )
    Path("text.db").write_text("no database " * 100)
    Path("other.db").touch()
    for words, why in (
        ("sqlite:///prior.db#none", "holds no study 'none'"),
        ("sqlite:///prior.db", "holds several studies"),
        ("sqlite:///prior.db#two", "has several objectives"),
        ("sqlite:///prior.db#up", "that study maximized its value; this run minimizes"),
        ("sqlite:///prior.db#s", "none of its 1 finished trials fits this space"),
        ("sqlite:///missing.db#s", "there is no file missing.db"),
        ("prior.db", "not the URL of a database"),
    ):
        with pytest.raises(UsageError, match=why) as caught:
            read_study(f"optuna:{words}", SPACE, Direction.MINIMIZE)
        assert str(caught.value).startswith(f"--warm_start=optuna:{words}: "), caught.value
    for name in ("text.db", "other.db"):
        with pytest.raises(EnvironmentProblem, match="Optuna cannot use the storage"):
            read_study(f"optuna:sqlite:///{name}#s", SPACE, Direction.MINIMIZE)
    assert not Path("other.db").read_bytes()  # nothing was created in it
    assert not Path("missing.db").exists()


# --- OptunaHub ----------------------------------------------------------------------------------


def test_the_package_for_optunahub_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2] / "contrib/optunahub/package"
    package = "samplers/autofinetune"
    try:
        optunahub: Any = __import__("optunahub")
    except ImportError:  # as its load_local_module does
        import importlib.util

        place = root / package / "__init__.py"
        name = f"optunahub_registry.package.{package.replace('/', '.')}"
        spec = importlib.util.spec_from_file_location(name, place)
        assert spec is not None and spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
    else:
        module = optunahub.load_local_module(package, registry_root=str(root))
    study = optuna.create_study(sampler=module.StrategySampler("tpe", seed=0))
    study.optimize(lambda trial: float(trial.suggest_float("x", 0, 1)), n_trials=3)
    assert math.isfinite(study.best_value)
    readme = (root / package / "README.md").read_text()
    _, front, text = readme.split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in front.splitlines())
    wanted = {"author", "title", "description", "tags", "optuna_versions", "license"}
    assert fields.keys() == wanted
    assert fields["license"] == "MIT License"
    assert (root / package / "LICENSE").read_text().startswith("MIT License")
    assert "<" not in text.replace("```", "")  # no HTML
