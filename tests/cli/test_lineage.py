"""Show the trials that led to a model, and train them again, with real processes."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from autofinetune.cli.lineage import read_state
from autofinetune.core.lineage import chain_of
from autofinetune.core.trials import Trial
from autofinetune.run.again import replay_of
from tests.helpers import config_of

from .conftest import Done, Workplace


@pytest.fixture
def done(workplace: Workplace) -> Done:
    """A run of three members and five rounds, in result/."""
    found = workplace.tune("--popsize=3", "--round=5", "--seed=1", "--schedule=round")
    assert found.code == 0, found.err
    return found


def table(workplace: Workplace) -> list[dict[str, str]]:
    with (workplace.root / "result/trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def chain(workplace: Workplace, trial: str) -> list[dict[str, str]]:
    rows = table(workplace)
    found = [rows[int(trial)]]
    while found[0]["parent"]:
        found.insert(0, rows[int(found[0]["parent"])])
    return found


def test_a_replay_has_a_round_for_each_trial_of_the_chain() -> None:
    chain = [Trial(3, 0, 1, {"lr": 0.1}, None), Trial(7, 1, 1, {"lr": 0.2}, 3)]
    config = config_of(popsize=4, round=9, max_trials=30, repeats=2, evaluator="fulltrail")
    replay = replay_of(config, chain)
    assert (replay.popsize, replay.round, replay.repeats, replay.planned) == (1, 2, 1, 2)
    assert replay.members_have_models
    assert replay.replayed == ({"lr": 0.1}, {"lr": 0.2})
    assert replay.space == config.space


def test_the_chain_of_a_trial_is_shown_with_what_changed(workplace: Workplace, done: Done) -> None:
    shown = workplace.run("lineage", "result", "14")
    wanted = chain(workplace, "14")
    assert shown.code == 0
    head, columns, *lines = shown.out.splitlines()
    assert head == f"trial 14, score {wanted[-1]['score']}: {len(wanted)} trials from scratch"
    assert columns.split()[:4] == ["round", "member", "trial", "score"]
    before = {"lr": "", "units": ""}
    for line, row in zip(lines, wanted, strict=False):
        *place, changed = line.split(maxsplit=4)
        assert place == [row["round"], row["member"], row["trial"], row["score"]]
        new = [f"{name}={row[name]}" for name in before if row[name] != before[name]]
        assert changed == (" ".join(new) or "-")
        before = {name: row[name] for name in before}
    last, *warnings = lines[len(wanted) :]
    assert re.fullmatch(
        r"the 3 members descend from [123] trials? trained from scratch "
        r"\(effective number [123]\.\d\)",
        last,
    )
    assert len(warnings) == ("from 1 trial " in last)


def test_the_best_trial_is_meant_when_none_is_named(workplace: Workplace, done: Done) -> None:
    best = max(table(workplace), key=lambda row: float(row["score"]))
    assert workplace.run("lineage", "result").out.startswith(f"trial {best['trial']}, score")


def test_the_end_of_a_run_tells_what_led_to_its_model(workplace: Workplace, done: Done) -> None:
    best = max(table(workplace), key=lambda row: float(row["score"]))
    length = len(chain(workplace, best["trial"]))
    assert length > 1
    assert f"\nIts model was trained by {length} successive trials" in done.out
    for command in re.findall(r": autofinetune ((?:lineage|replay) \S+)$", done.out, re.MULTILINE):
        assert workplace.run(*command.split()).code == 0
    assert "autofinetune lineage result\n" in done.out
    assert "autofinetune replay result\n" in done.out


def test_a_model_from_scratch_needs_no_schedule(workplace: Workplace) -> None:
    for words in (["--evaluator=fulltrail", "--round=2"], ["--round=1"]):
        told = workplace.tune("--popsize=2", *words, out=words[-1])
        assert told.code == 0
        assert "lineage" not in told.out


def test_a_population_from_one_beginning_is_warned_of(workplace: Workplace) -> None:
    """Two members crash at the start and continue the model of the third."""
    script = workplace.root / "train.py"
    crash = 'if trial in (1, 2):\n    raise RuntimeError("planned")\nif trial == args'
    script.write_text(script.read_text().replace("if trial == args", crash))
    assert workplace.tune("--popsize=3", "--round=2", "--schedule=round").code == 0
    shown = workplace.run("lineage", "result")
    assert "descend from 1 trial trained from scratch (effective number 1.0)" in shown.out
    assert "WARNING: the whole population descends from one trial" in shown.out


def test_a_schedule_is_trained_from_scratch_once_more(workplace: Workplace, done: Done) -> None:
    wanted = chain(workplace, "14")
    again = workplace.run("replay", "result", "14", "--output_dir=again", "--gpu=cpu")
    assert again.code == 0, again.err
    score = wanted[-1]["score"]
    assert f"replayed score {score}, recorded score {score}" in again.out
    state = read_state(str(workplace.root / "again"))
    assert [t.id for t in chain_of(state, state.trials[len(wanted) - 1])] == list(
        range(len(wanted))
    )
    # The script adds up epochs in its model: three from scratch, one for each continued trial.
    weights = workplace.root / f"again/round{len(wanted) - 1}/model-0/weights"
    assert float(weights.read_text()) == 3.0 + len(wanted) - 1
    before = workplace.root / f"result/round{wanted[-1]['round']}/model-2/weights"
    assert float(before.read_text()) == float(weights.read_text())


def test_a_replay_that_was_interrupted_goes_on(workplace: Workplace, done: Done) -> None:
    """The config.yaml of a replay starts it again."""
    assert workplace.run("replay", "result", "14", "--output_dir=again").code == 0
    assert workplace.run("resume", "again").code == 0
    third = workplace.run("run", "again/config.yaml", "--output_dir=third")
    assert third.code == 0, third.err
    assert read_state(str(workplace.root / "third")).best is not None
    assert len(list((workplace.root / "third").glob("round*"))) == len(chain(workplace, "14"))


def test_a_replay_that_fails_says_where(workplace: Workplace, done: Done) -> None:
    script = workplace.root / "train.py"
    script.write_text(script.read_text().replace("before = 0.0", "sys.exit(3)"))
    failed = workplace.run("replay", "result", "14", "--output_dir=again")
    assert failed.code == 3
    assert "ERROR" in failed.err
    script.write_text(
        script.read_text().replace("sys.exit(3)", "before = 1 / bool(args.epochs - 1)")
    )
    failed = workplace.run("replay", "result", "14", "--output_dir=other")
    assert failed.code == 3
    count = len(chain(workplace, "14"))
    assert f"ERROR the replay ended at trial 2 of {count}: exit:1" in failed.err
    assert str(workplace.root / "other/round1/log-0.info") in failed.err


@pytest.mark.parametrize("command", ["lineage", "replay"])
def test_what_cannot_be_shown_is_said(workplace: Workplace, command: str) -> None:
    refused = workplace.run(command, "nowhere")
    assert (refused.code, refused.out) == (2, "")
    assert "nowhere holds no run (there is no run.db with events)" in refused.err
    assert workplace.run(command).code == 2
    assert workplace.tune("--popsize=1", "--round=1", "--crash_at", "0").code == 2
    assert workplace.tune("--popsize=1", "--round=1", "crash_at", "0").code == 3
    refused = workplace.run(command, "result")
    assert refused.code == 2
    assert "no trial of this run has completed" in refused.err
    for number in ("7", "-1", "x", "0x0"):
        refused = workplace.run(command, "result", number)
        assert refused.code == 2
        assert "this run has no trial" in refused.err or "unrecognized" in refused.err
    refused = workplace.run(command, "result", "0")
    assert refused.code == (0 if command == "lineage" else 3)


def test_a_replay_needs_a_directory_of_its_own_and_the_script(
    workplace: Workplace, done: Done
) -> None:
    refused = workplace.run("replay", "result", "--output_dir=result")
    assert refused.code == 2
    assert "already holds a run" in refused.err
    Path(workplace.root, "train.py").unlink()
    refused = workplace.run("replay", "result", "--output_dir=again")
    assert refused.code == 2
    assert "the script of this run is gone" in refused.err
