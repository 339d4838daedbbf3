"""Copies of the best model: complete, of the best trial, and without following links."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.run.models import best_model_of, copy_best, state_of_model
from autofinetune.run.recorded import recorded_run
from autofinetune.sinks.best_model import describe_files
from tests.runs import Written, mixed


@pytest.fixture
def run(tmp_path: Path) -> Written:
    run = Written(tmp_path / "run")
    run.trial(0, 0.1, mixed(), model="of trial 0")
    run.trial(1, 0.9, mixed(), model="of trial 1")
    return run


def keep(run: Written, trial: int, text: str, *, recorded: str | None = None) -> None:
    """Write best_model, and best_model.json as if it contained `recorded`."""
    best = run.paths.best_model
    best.mkdir()
    (best / "weights").write_text(text if recorded is None else recorded)
    manifest = {"trial": trial, "files": describe_files(best)}
    run.paths.best_model_manifest.write_text(json.dumps(manifest))
    (best / "weights").write_text(text)


def copied(run: Written, target: Path) -> str:
    with recorded_run(run.paths.root) as found:
        copy_best(found, target)
    return (target / "weights").read_text()


def test_best_model_is_copied_if_it_is_complete(run: Written, tmp_path: Path) -> None:
    keep(run, 1, "kept")
    assert copied(run, tmp_path / "a/b") == "kept"
    with recorded_run(run.paths.root) as found:
        assert best_model_of(found) == run.paths.best_model


def test_otherwise_the_model_of_the_trial_is(run: Written, tmp_path: Path) -> None:
    assert copied(run, tmp_path / "without") == "of trial 1"
    keep(run, 0, "of another trial")
    assert copied(run, tmp_path / "other") == "of trial 1"
    with recorded_run(run.paths.root) as found:
        assert best_model_of(found) is None


def test_a_best_model_that_was_changed_is_not_copied(run: Written, tmp_path: Path) -> None:
    keep(run, 1, "changed", recorded="kept")
    assert copied(run, tmp_path / "copy") == "of trial 1"
    (run.model(1) / "weights").unlink()
    with pytest.raises(EnvironmentProblem, match="was removed or changed"):
        copied(run, tmp_path / "more")
    assert not (tmp_path / "more").exists()
    assert not (tmp_path / ".more.partial").exists()


def test_a_link_in_the_place_of_a_model_is_not_followed(run: Written, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    run.model(1).rename(elsewhere)
    run.model(1).symlink_to(elsewhere)
    run.paths.best_model.symlink_to(elsewhere)
    with pytest.raises(EnvironmentProblem):
        copied(run, tmp_path / "copy")
    with recorded_run(run.paths.root) as found:
        assert state_of_model(found.paths, found.state.trials[1]) == "removed"
        assert best_model_of(found) is None


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_a_target_that_exists_stays(run: Written, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    if kind == "file":
        target.write_text("mine")
    elif kind == "directory":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    before = target.lstat()
    with pytest.raises(UsageError, match="exists"):
        copied(run, target)
    assert target.lstat().st_ino == before.st_ino
