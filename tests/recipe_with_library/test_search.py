"""Searching over recipes by the real Data-Juicer: whole runs, their resumption and objectives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autofinetune.cli.lineage import read_state
from autofinetune.core.state import State
from autofinetune.core.status import Status
from autofinetune.recipe import made_text
from autofinetune.recipe.process import chosen
from tests.recipe.test_search import PROCESS, SWEEP

if not os.environ.get("WITH_LIBRARIES"):
    pytest.skip("needs Data-Juicer: make test-recipes", allow_module_level=True)

COUNT = 60
SEARCH = (sys.executable, "-m", "autofinetune", "recipe", "search")
FILES = ("--config=process.yaml", "--hpo_config=sweep.yaml", "--gpu=cpu:2", "--output_dir=out")
SMALL = SWEEP.replace("min: 256", "min: 20").replace("max: 8192", "max: 200")
SMALL = SMALL.replace("distribution: q_log_uniform_values", "distribution: q_uniform")
ONE_BY_ONE = SMALL.partition("early_terminate")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with Data-Juicer's own recipe and sweep, and made-up data."""
    rows = made_text.samples(made_text.manual(), COUNT, 0.4, seed=0)
    lines = (json.dumps({**row, "label": row["kind"] == "clean"}) + "\n" for row in rows)
    (tmp_path / "demo-redpajama-c4-refined.jsonl").write_text("".join(lines))
    (tmp_path / "process.yaml").write_text(PROCESS.replace("np: 4", "np: 1"))
    (tmp_path / "sweep.yaml").write_text(ONE_BY_ONE)
    return tmp_path


def search(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [*SEARCH, *FILES, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("out/round*/log-*.info"))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{logs}"
    return done.stdout + done.stderr


def state_of(folder: Path) -> State:
    return read_state(str(folder / "out"))


def texts(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def test_the_files_of_data_juicer_run_as_they_are(folder: Path) -> None:
    (folder / "sweep.yaml").write_text(SMALL)
    told = search(folder, "--max_trials=4", "--seed=1")
    assert "trials are now forked" in told  # so Data-Juicer is imported once
    trials = list(state_of(folder).trials.values())
    assert {trial.status for trial in trials} <= {Status.COMPLETED, Status.STOPPED}
    assert len({json.dumps(dict(trial.params)) for trial in trials}) == 4
    for trial in trials:
        place = folder / f"out/round{trial.round}/model-{trial.member}"
        scores = json.loads((place / "scores.json").read_text())
        if trial.status is Status.STOPPED:  # by its early_terminate, at 3 or 9 of 27
            assert trial.reports in (1, 2, 3)  # with so little data it may end before it is told
            continue
        assert scores["objective"] == trial.score
        least = trial.params["text_length_filter.min_len"]
        assert isinstance(least, int)
        assert f"min_len: {least}  " in (place / "recipe.yaml").read_text()
        left = texts(place / "demo-hpo-processed.jsonl")
        assert len(left) == round(scores["kept"] * COUNT)
        assert min(map(len, left)) >= least
    assert (folder / "out/best_model/recipe.yaml").is_file()
    assert not (folder / "outputs").exists()


def test_a_killed_search_is_resumed(folder: Path) -> None:
    with subprocess.Popen(
        [*SEARCH, *FILES, "--max_trials=3", "--schedule=round", "--plain"],
        cwd=folder, stdout=subprocess.PIPE, text=True,
    ) as tuner:  # fmt: skip
        assert tuner.stdout is not None
        for line in tuner.stdout:
            if "trial" in line and "COMPLETED" in line:
                tuner.send_signal(signal.SIGKILL)
                break
    subprocess.run(
        [sys.executable, "-m", "autofinetune", "resume", "out"],
        cwd=folder, capture_output=True, check=True,
    )  # fmt: skip
    assert [one.status for one in state_of(folder).trials.values()] == [Status.COMPLETED] * 3


def held_out(folder: Path) -> str:
    rows = made_text.samples(made_text.manual()[COUNT:], 40, 0.4, seed=1)
    lines = (json.dumps({**row, "label": row["kind"] == "clean"}) + "\n" for row in rows)
    (folder / "held_out.jsonl").write_text("".join(lines))
    return "--held_out=held_out.jsonl"


def scores_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out/best_model/scores.json").read_text())
    return found


def test_all_objectives_score_what_was_processed(folder: Path) -> None:
    objective = "downstream_task - 0.1*model_loss + 0.5*kept + quality_score"
    words = ("--max_trials=1", "--tokens=4096", f"--objective={objective}", held_out(folder))
    search(folder, *words)
    found = scores_of(folder)
    assert 0.5 < found["downstream_task"] <= 1.0
    assert 2.0 < found["model_loss"] < 5.6
    assert 0.0 < found["quality_score"] < 1.0
    expected = found["downstream_task"] - 0.1 * found["model_loss"] + found["quality_score"]
    assert found["objective"] == pytest.approx(expected + 0.5 * found["kept"])


def test_a_command_gets_the_data_of_each_share(folder: Path) -> None:
    words = ("--objective_command=wc -l <", "--shares=0.2,1", "--max_trials=1")
    search(folder, *words, "--tuning_strategy=random")
    (trial,) = state_of(folder).trials.values()
    reports = folder.glob("out/trials/0/attempt-*/reports.jsonl")
    steps = [json.loads(line) for path in reports for line in path.read_text().split("\n") if line]
    (first,) = (one["intermediate"] for one in steps if one.get("step") == 20)
    assert 0 < first <= len(chosen(COUNT, 0.2)) < trial.score  # type: ignore[operator]


def test_a_recipe_that_keeps_nothing_has_a_score(folder: Path) -> None:
    (folder / "sweep.yaml").write_text(
        "method: grid\nparameters: {text_length_filter.min_len: {values: [99999]}}\n"
    )
    words = ("--objective=quality_score - 0.1*model_loss", "--tokens=512", held_out(folder))
    search(folder, *words)
    assert scores_of(folder)["kept"] == 0.0
    assert scores_of(folder)["model_loss"] > 5.0
