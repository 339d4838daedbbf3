"""Models of trials that lost are removed, and everything else copes with that."""

from __future__ import annotations

import filecmp
import json
from typing import Any

import pytest

from autofinetune.cli.lineage import read_state
from tests.cli.conftest import Workplace
from tests.cli.test_run import table
from tests.cli.test_show import a_tuner_alive
from tests.runs import Written, mixed


def pruned(workplace: Workplace, *words: str) -> Any:
    done = workplace.run("prune", "result", "--json", *words)
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.fixture
def run(workplace: Workplace) -> Written:
    """Three rounds of three; the best trial is 4."""
    run = Written(workplace.root / "result")
    for trial in range(9):
        run.trial(trial, -abs(trial - 4), mixed(), parent=trial - 3 if trial > 2 else None)
    return run


def models(run: Written) -> list[int]:
    return [trial for trial in range(9) if any(run.model(trial).glob("*"))]


def test_a_finished_run_keeps_the_best(workplace: Workplace, run: Written) -> None:
    run.done()
    told = workplace.run("prune", "result", "--dry-run")
    assert told.code == 0
    assert told.out == (
        "8 models would be removed, 32.0 KiB would be freed; 1 model kept\n"
        "trials 0, 1, 2, 3, 5, 6, 7, 8\n"
    )
    assert models(run) == list(range(9))
    assert pruned(workplace, "--keep=top:3") == {
        "dry_run": False, "removed": [0, 1, 2, 6, 7, 8], "kept": 3, "freed_bytes": 6 * 4096,
    }  # fmt: skip
    assert models(run) == [3, 4, 5]
    done = workplace.run("prune", "result")
    assert done.out == "2 models removed, 8.0 KiB freed; 1 model kept\ntrials 3, 5\n"
    assert models(run) == [4]
    assert all(run.model(trial).is_dir() for trial in range(9))
    assert workplace.run("prune", "result").out == "nothing to remove; 1 model kept\n"


def test_an_unfinished_population_keeps_what_may_be_continued(
    workplace: Workplace, run: Written
) -> None:
    run.created(9, 6, **mixed())
    run.created(10, 2, **mixed())
    run.started(10)
    run.done("interrupted")
    # Twice as many as members, as results of a round count only when it is complete: the best six
    # (1 to 6), the newest two of each member (3 to 8); and the parents 6 and 2.
    assert pruned(workplace)["removed"] == [0]
    assert models(run) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_strategy_that_continues_any_model_keeps_all(workplace: Workplace) -> None:
    run = Written(workplace.root / "result", tuning_strategy="pbt")
    run.trial(0, 0.5, mixed())
    run.trial(1, 0.6, mixed())
    refused = workplace.run("prune", "result")
    assert refused.code == 2
    assert "the run is not done, and pbt may still continue any model" in refused.err
    run.done()
    assert pruned(workplace)["removed"] == [0]


def test_links_are_not_followed(workplace: Workplace, run: Written) -> None:
    run.done()
    precious = workplace.root / "precious"
    precious.mkdir()
    (precious / "file").write_text("x" * 1_000_000)
    (run.model(0) / "link").symlink_to(precious)
    model = run.model(1)
    model.rename(workplace.root / "moved")
    model.symlink_to(workplace.root / "moved")
    found = pruned(workplace)
    assert found["removed"] == [0, 2, 3, 5, 6, 7, 8]
    assert found["freed_bytes"] < 1_000_000
    assert (precious / "file").exists()
    assert (workplace.root / "moved/weights").exists()


def test_failed_and_stopped_trials_lose_their_models(workplace: Workplace) -> None:
    run = Written(workplace.root / "result", evaluator="fulltrail")
    run.trial(0, None, mixed(), reason="oom")
    run.trial(1, 0.9, mixed(), status="STOPPED", reason="medianstop")
    run.trial(2, 0.5, mixed())
    run.created(3, **mixed())
    run.started(3)
    run.model(3).mkdir(parents=True)
    (run.model(3) / "weights").write_text("of a trial that may still be running")
    assert pruned(workplace)["removed"] == [0, 1]
    assert (run.model(3) / "weights").exists()


def test_repeats_that_are_not_complete_keep_their_models(workplace: Workplace) -> None:
    run = Written(workplace.root / "result", evaluator="fulltrail", repeats=2)
    run.trial(0, 0.5, mixed())
    run.trial(1, 0.4, mixed())
    run.trial(2, 0.1, mixed())
    assert pruned(workplace)["removed"] == [1]


def test_a_run_in_use_is_refused(workplace: Workplace, run: Written) -> None:
    with a_tuner_alive(run):
        for words in ([], ["--dry-run"]):
            refused = workplace.run("prune", "result", *words)
            assert (refused.code, refused.out) == (5, "")
            assert "another tuner is using" in refused.err
    assert models(run) == list(range(9))
    for words in (["--keep=all"], ["--keep=top:0"], ["--keep=x"]):
        assert workplace.run("prune", "result", *words).code == 2
    assert workplace.run("prune", "nowhere").code == 2
    assert not (workplace.root / "nowhere").exists()


def test_a_pruned_run_is_resumed_rebuilt_and_shown(workplace: Workplace) -> None:
    words = ("--popsize=3", "--seed=1", "--schedule=round")
    assert workplace.tune(*words, "--round=4", out="whole").code == 0
    done = workplace.tune(*words, "--round=4", "--max_seconds=0.01")
    while done.code != 0:
        assert done.code == 6, done.err
        assert workplace.run("prune", "result").code == 0
        seconds = read_state(str(workplace.root / "result")).active_seconds + 0.5
        done = workplace.run("resume", "result", f"--max_seconds={seconds}")
    assert table(workplace.root, "result") == table(workplace.root, "whole")
    assert pruned(workplace)["kept"] == 1
    best = workplace.root / "result/best_model"
    for command in (("rebuild", "result"), ("resume", "result"), ("lineage", "result"),
                    ("show", "result", "0"), ("status", "result"), ("best", "result"),
                    ("export", "result")):  # fmt: skip
        done = workplace.run(*command)
        assert done.code == 0, done.err
        assert not filecmp.dircmp(best, workplace.root / "whole/best_model").diff_files
    assert "model    removed" in workplace.run("show", "result", "0").out
    assert workplace.run("replay", "result", "--output_dir=again").code == 0


def test_a_pruned_run_that_goes_on_continues_only_what_is_left(workplace: Workplace) -> None:
    start = ("train.py", "--param_file=hparam.yaml", "--gpu=cpu", "--popsize=3", "--round=2",
             "--exploit=better_half", "--output_dir=result", "--seed=1")  # fmt: skip
    assert workplace.run(*start).code == 0
    kept = read_state(str(workplace.root / "result")).best
    assert kept is not None
    assert pruned(workplace)["kept"] == 1
    assert workplace.run("set", "result", "round=3").code == 0
    done = workplace.run("resume", "result")
    assert done.code == 0, done.err
    state = read_state(str(workplace.root / "result"))
    assert {trial.parent for trial in state.in_round(2)} == {kept.id}
    assert [trial.status.value for trial in state.in_round(2)] == ["COMPLETED"] * 3
