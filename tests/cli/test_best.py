"""The best trial of a run, the command that trains it again, and copies of its model."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from autofinetune.space import load_space
from tests.cli.conftest import Done, Workplace
from tests.runs import Written, mixed


@pytest.fixture
def done(workplace: Workplace) -> Done:
    found = workplace.tune("--popsize=2", "--round=2", "--seed=1", "--schedule=round",
                           "max_seq_len", "128")  # fmt: skip
    assert found.code == 0, found.err
    return found


def record(workplace: Workplace, *words: str) -> Any:
    shown = workplace.run(*words, "--json")
    assert (shown.code, shown.err) == (0, "")
    return json.loads(shown.out)


def test_the_best_trial_is_shown(workplace: Workplace, done: Done) -> None:
    best = record(workplace, "best", "result")
    text = workplace.run("best", "result").out
    assert f"score   {best['score']!r}\n" in text
    assert f"trial   {best['trial']} (round {best['round']}, member {best['member']})" in text
    assert "model   result/best_model\n" in text
    assert f"  lr={best['params']['lr']!r}\n" in text
    assert best["command"] in text
    assert f"autofinetune rerun result {best['trial']}\n" in text
    assert best["best_model"] == str(workplace.root / "result/best_model")
    assert (best["state"], best["direction"], best["rank"]) == ("DONE", "maximize", 1)
    assert best["curve"][:1] == [[0, 0.0]]


def test_its_command_trains_it_again(workplace: Workplace, done: Done) -> None:
    shown = workplace.run("best", "result", "--command")
    assert shown.code == 0
    (line,) = shown.out.splitlines()
    best = record(workplace, "best", "result")
    assert line == best["command"]
    spec = workplace.root / f"result/trials/{best['trial']}/attempt-1/spec.json"
    assert best["argv"] == json.loads(spec.read_text())["argv"]
    assert shlex.split(line)[:3] == ["cd", str(workplace.root), "&&"]
    weights = Path(best["model"], "weights")
    before = weights.read_text()
    weights.unlink()
    env = {**os.environ, "AUTOFINETUNE_TRIAL": "0"}
    subprocess.run(["bash", "-c", line], check=True, cwd="/", env=env, stdout=subprocess.DEVNULL)
    assert weights.read_text() == before


def test_a_command_that_continues_a_model_says_so(workplace: Workplace) -> None:
    run = Written(workplace.root / "result")
    run.trial(0, 0.1, mixed())
    run.trial(1, 0.9, mixed(0.02), parent=0)
    shown = workplace.run("best", "result", "--command")
    assert "--epochs" not in shown.out  # the script was never asked for its options
    assert f"--model_path={workplace.root}/result/round0/model-0" in shown.out
    assert shown.err == (
        "note: it continues the model of trial 0; to train all 2 trials that led to it: "
        "autofinetune replay result 1\n"
    )
    (run.model(0) / "weights").unlink()
    assert "of trial 0, which was removed, so it will fail;" in (
        workplace.run("best", "result", "--command").err
    )
    assert "(the model of trial 0, which it continues, was removed)" in (
        workplace.run("best", "result").out
    )


def test_secrets_of_the_user_are_masked_and_hyperparameters_are_not(workplace: Workplace) -> None:
    entry = {"name": "token_dropout", "type": "choice", "choices": [0.1, 0.2]}
    run = Written(
        workplace.root / "result",
        load_space({"param_list": [entry]}),
        script_args=("--api_key=hush", "--token", "hush", "--size=3"),
    )
    run.trial(0, 0.5, {"token_dropout": 0.1})
    shown = workplace.run("best", "result", "--command")
    assert "hush" not in shown.out
    assert "'--api_key=***' --token '***' --size=3 --token_dropout=0.1" in shown.out
    assert "note: secrets are shown as ***" in shown.err
    best = record(workplace, "best", "result")
    assert "hush" not in json.dumps(best)
    assert best["is_masked"] is True
    assert "(secrets are shown as ***)" in workplace.run("best", "result").out


def test_strange_values_cannot_reach_the_terminal(workplace: Workplace) -> None:
    strange = "a'b\\ \x1b[31m\n<b>\u2028é"
    entry = {"name": "text", "type": "choice", "choices": [strange, "plain"]}
    run = Written(workplace.root / "result", load_space({"param_list": [entry]}), name="<b>")
    run.trial(0, 0.5, {"text": strange})
    text = workplace.run("best", "result").out
    assert "\x1b" not in text
    assert "  text=a'b\\ \\x1b[31m\\n<b>\\u2028é\n" in text
    command = workplace.run("best", "result", "--command").out.rstrip("\n")
    assert "\n" not in command
    assert "\x1b" not in command
    show = command.split("&& ", 1)[1].replace("python train.py", "printf %s", 1)
    said = subprocess.run(["bash", "-c", show], capture_output=True, check=True).stdout.decode()
    assert said.startswith(f"--text={strange}")
    assert record(workplace, "best", "result")["params"] == {"text": strange}


def test_several_processes_are_trained_again_by_rerun(workplace: Workplace) -> None:
    from autofinetune.config.placement import Placement

    run = Written(workplace.root / "result", placement=Placement(ranks_per_trial=2))
    run.trial(0, 0.5, mixed())
    assert workplace.run("best", "result", "--command").out == "autofinetune rerun result 0\n"
    best = record(workplace, "best", "result")
    assert (best["argv"], best["env"], best["is_masked"]) == (None, None, False)


def test_with_repeats_the_mean_decides(workplace: Workplace) -> None:
    run = Written(workplace.root / "result", repeats=2, evaluator="fulltrail")
    for trial, score in enumerate((0.9, 0.1, 0.6, 0.7)):
        run.trial(trial, score, mixed())
    best = record(workplace, "best", "result")
    assert (best["trial"], best["score"], best["repeats"]) == (3, 0.7, [2, 3])
    assert best["mean_score"] == pytest.approx(0.65)
    assert "mean    0.65 of 2 repeats\n" in workplace.run("best", "result").out


def test_conditional_parameters_that_are_inactive_are_left_out(workplace: Workplace) -> None:
    from tests.helpers import conditional_space

    run = Written(workplace.root / "result", conditional_space())
    run.trial(0, 0.5, {"optimizer": "lamb", "bias": 1, "lr": 0.5})
    assert record(workplace, "best", "result")["params"] == {
        "optimizer": "lamb", "bias": 1, "lr": 0.5,
    }  # fmt: skip
    assert "momentum" not in workplace.run("best", "result").out


def test_a_copy_of_the_model(workplace: Workplace, done: Done) -> None:
    copied = workplace.run("best", "result", "--copy", "new/model")
    assert copied.code == 0, copied.err
    assert "copied  new/model\n" in copied.out
    source = workplace.root / "result/best_model/weights"
    assert (workplace.root / "new/model/weights").read_text() == source.read_text()
    assert [path.name for path in (workplace.root / "new").iterdir()] == ["model"]
    again = workplace.run("best", "result", "--copy", "new/model")
    assert (again.code, again.out) == (2, "")
    assert "new/model exists" in again.err
    assert record(workplace, "best", "result", "--copy=other")["copied_to"] == str(
        workplace.root / "other"
    )


def test_a_copy_that_cannot_be_made_leaves_nothing(workplace: Workplace) -> None:
    run = Written(workplace.root / "result")
    run.trial(0, 0.5, mixed())
    (workplace.root / "file").write_text("")
    refused = workplace.run("best", "result", "--copy", "file/model")
    assert refused.code == 4
    assert "the model of trial 0 cannot be copied to" in refused.err
    (run.model(0) / "weights").unlink()
    refused = workplace.run("best", "result", "--copy", "new")
    assert refused.code == 4
    assert "the model of trial 0 was removed" in refused.err
    assert "autofinetune rerun result 0" in refused.err
    run.model(0).rmdir()
    run.model(0).symlink_to(workplace.root)
    assert workplace.run("best", "result", "--copy", "new").code == 4
    assert not any(workplace.root.glob("*new*"))


def test_what_there_is_no_best_of(workplace: Workplace) -> None:
    run = Written(workplace.root / "result")
    for words in ([], ["--json"], ["--command"], ["--copy=x"]):
        refused = workplace.run("best", "result", *words)
        assert (refused.code, refused.out) == (2, "")
        assert "no trial of this run has completed" in refused.err
    run.trial(0, 0.5, mixed(), model=None)
    assert "model   none: the trial saved no model" in workplace.run("best", "result").out
    refused = workplace.run("best", "result", "--copy=x")
    assert refused.code == 2
    assert "the best trial, 0, saved no model" in refused.err
    assert workplace.run("best", "nowhere").code == 2
    assert workplace.run("best").code == 2
    for words in (["--json"], ["--copy=x"]):
        refused = workplace.run("best", "result", "--command", *words)
        assert refused.code == 2
        assert "--command prints nothing but the command" in refused.err
