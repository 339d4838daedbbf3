"""Which of the logged values is the metric, and what is saved of the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autofinetune.trial import hooks, logged


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trial with the metric `acc`; returns the directory of its reports."""
    monkeypatch.setenv("AUTOFINETUNE_REPORT_FILE", str(tmp_path / "reports"))
    monkeypatch.setenv("AUTOFINETUNE_STOP_FILE", str(tmp_path / "stop"))
    monkeypatch.setenv(logged.METRIC_VARIABLE, "acc")
    for name in ("RANK", "PADDLE_TRAINER_ID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(logged, "_owner", "")
    monkeypatch.setattr(logged, "_steps", 0)
    monkeypatch.setattr(logged, "_names", set())
    monkeypatch.setattr(hooks, "_said", set())
    return tmp_path


def reported(folder: Path) -> list[tuple[float, int]]:
    if not (folder / "reports").exists():
        return []
    lines = filter(None, (folder / "reports").read_text().splitlines())
    return [(record["intermediate"], record["step"]) for record in map(json.loads, lines)]


def test_the_metric_is_reported_and_the_names_of_others_are_noted(trial: Path) -> None:
    assert not logged.values("one", {"loss": 1.0}.items())
    assert logged.values("one", {"acc": 0.5, "loss": 0.9}.items())
    assert logged.values("one", {"acc": 0.75}.items())
    assert reported(trial) == [(0.5, 0), (0.75, 1)]
    assert (trial / logged.SEEN).read_text() == "loss\n"


def test_a_library_on_top_of_another_does_not_count_twice(trial: Path) -> None:
    for value in (0.5, 0.75):
        logged.values("first", {"acc": value}.items())
        logged.values("second", {"acc": value}.items())
    assert reported(trial) == [(0.5, 0), (0.75, 1)]


def test_another_name_of_the_library_will_do(trial: Path) -> None:
    logged.values("one", {"eval_acc": 0.5}.items(), "eval_acc")
    assert reported(trial) == [(0.5, 0)]


def test_what_is_no_number_is_told_once(trial: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        logged.values("one", {"acc": "a picture"}.items())
    assert reported(trial) == []
    said = capfd.readouterr().err
    assert said.count("autofinetune: cannot report acc") == 1


def test_a_script_without_a_loop_to_leave_ends(trial: Path) -> None:
    logged.values("one", {"acc": 0.5}.items())
    logged.leave("one")
    (trial / "stop").touch()
    logged.leave("another")
    with pytest.raises(SystemExit) as ended:
        logged.leave("one")
    assert ended.value.code == 0


def test_nothing_is_noted_outside_a_trial(trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOFINETUNE_REPORT_FILE")
    assert not logged.values("one", {"acc": 0.5, "loss": 1.0}.items())
    assert list(trial.iterdir()) == []


def test_without_a_metric_only_names_are_noted(
    trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(logged.METRIC_VARIABLE)
    assert not logged.values("one", {"acc": 0.5, "loss": 1.0}.items())
    assert reported(trial) == []
    assert (trial / logged.SEEN).read_text() == "acc\nloss\n"


def test_other_ranks_leave_it_to_the_first(trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    logged.values("one", {"acc": 0.5}.items())
    assert reported(trial) == []


def test_names_are_bounded_and_a_link_is_not_followed(trial: Path) -> None:
    (trial / logged.SEEN).symlink_to(trial / "elsewhere")
    logged.note("loss")
    assert not (trial / "elsewhere").exists()
    (trial / logged.SEEN).unlink()
    for number in range(1000):
        logged.note(f"metric {number} " + "x" * 1000)
    logged.note("two\nlines")
    lines = (trial / logged.SEEN).read_text().splitlines()
    assert len(lines) < 250
    assert max(map(len, lines)) <= 200
