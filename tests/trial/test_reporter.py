"""The metric that a script names: what is reported, and when the run's own metric counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autofinetune.trial import hooks, logged
from autofinetune.trial.reporter import DIRECTION_VARIABLE, NamedReporter, Reporter


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trial without `--metric`; returns the file of its reports."""
    monkeypatch.setenv("AUTOFINETUNE_REPORT_FILE", str(tmp_path / "reports"))
    monkeypatch.setenv("AUTOFINETUNE_STOP_FILE", str(tmp_path / "stop"))
    for name in (logged.METRIC_VARIABLE, DIRECTION_VARIABLE, "RANK", "AUTOFINETUNE_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(logged, "_owner", "")
    monkeypatch.setattr(logged, "_steps", 0)
    monkeypatch.setattr(hooks, "_said", set())
    return tmp_path / "reports"


def reported(file: Path) -> list[tuple[str, float]]:
    lines = filter(None, file.read_text().splitlines()) if file.exists() else []
    records = map(json.loads, lines)
    return [
        (kind, float(r[kind])) for r in records for kind in ("intermediate", "final") if kind in r
    ]


@pytest.mark.parametrize(
    ("final", "direction", "values", "result"),
    [
        ("last", "maximize", [0.5, 0.9, 0.7], 0.7),
        ("best", "maximize", [0.5, 0.9, 0.7], 0.9),
        ("best", "minimize", [0.5, 0.9, 0.7], 0.5),
        ("best", "maximize", [float("nan"), 0.2, float("inf")], 0.2),
        ("best", "minimize", [float("inf"), 0.2, float("nan"), 0.3], 0.2),
    ],
)
def test_the_final_result(
    trial: Path, monkeypatch: pytest.MonkeyPatch, final: str, direction: str,
    values: list[float], result: float,
) -> None:  # fmt: skip
    monkeypatch.setenv(DIRECTION_VARIABLE, direction)
    reporter = NamedReporter("acc", final)
    assert not reporter.values({"loss": 1.0}.items())
    for value in values:
        assert reporter.values({"val_acc": value, "loss": 1.0}.items(), "val_acc")
    reporter.end()
    reporter.end()  # as a library may do after each of its stages
    kinds = [kind for kind, _ in reported(trial)]
    assert kinds == ["intermediate"] * len(values) + ["final"]
    assert reported(trial)[-1] == ("final", result)


def test_more_training_gives_another_final_result(trial: Path) -> None:
    reporter = NamedReporter("acc")
    for value in (0.5, 0.75):
        reporter.values({"acc": value}.items())
        reporter.end()
    assert [value for kind, value in reported(trial) if kind == "final"] == [0.5, 0.75]


def test_an_adapter_leaves_the_same_metric_to_it(
    trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(logged.METRIC_VARIABLE, "acc")
    adapter = Reporter("keras")
    adapter.values({"acc": 0.1}.items())  # an earlier training, without the callback
    reporter = NamedReporter("acc")
    (trial.parent / "stop").touch()
    for one in (adapter, reporter):
        one.values({"acc": 0.5}.items())
    assert reporter.is_to_stop()
    assert not adapter.is_to_stop()
    reporter.end()
    adapter.end()
    assert reported(trial) == [("intermediate", 0.1), ("intermediate", 0.5), ("final", 0.5)]


def test_the_metric_of_the_run_replaces_another_one(
    trial: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(logged.METRIC_VARIABLE, "loss")
    (trial.parent / "stop").touch()
    adapter, reporter = Reporter("keras"), NamedReporter("acc")
    for one in (reporter, adapter):
        one.values({"acc": 0.5, "loss": 2.0}.items())
        one.end()
    assert reported(trial) == [("intermediate", 2.0)]
    assert adapter.is_to_stop()
    assert not reporter.is_to_stop()
    assert capfd.readouterr().err == (
        "autofinetune: --metric=loss replaces AutofinetuneCallback('acc')\n"
    )


def test_a_metric_that_is_never_logged(trial: Path, capfd: pytest.CaptureFixture[str]) -> None:
    reporter = NamedReporter("val_acc")
    reporter.end()  # a stage that logs nothing
    reporter.values({"loss": 1.0, "acc": 0.5}.items())
    reporter.end()
    assert reported(trial) == []
    assert capfd.readouterr().err == (
        "autofinetune: AutofinetuneCallback('val_acc') has not found it; "
        "logged so far: acc, loss\n"
    )


def test_outside_a_run_nothing_happens(
    trial: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("REPORT", "STOP"):
        monkeypatch.delenv(f"AUTOFINETUNE_{name}_FILE")
    reporter = NamedReporter("acc")
    assert reporter.values({"acc": 0.5}.items())
    assert not reporter.is_to_stop()
    reporter.end()
    assert capfd.readouterr() == ("", "")
