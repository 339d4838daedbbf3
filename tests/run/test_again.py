"""Commands as text that a shell reads back exactly, and the configurations of new runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autofinetune.config.passing import CALLS
from autofinetune.config.program import Program, Task
from autofinetune.core.state import State
from autofinetune.core.trials import Trial
from autofinetune.run.again import command_of, quoted, rerun_of, without_secrets
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible
from tests.helpers import config_of
from tests.runs import mixed

TRIAL = Trial(0, 0, 0, mixed(0.5), None, attempt=1)
PATHS = RunPaths(Path("/runs/one"))
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=30, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=20))
def test_bash_reads_every_word_back(words: list[str]) -> None:
    line = " ".join(map(quoted, words))
    assert visible(line) == line
    env = {"LC_ALL": "C.UTF-8"}
    said = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True, env=env
    )
    assert said.stdout.decode().split("\0")[:-1] == words


def test_bytes_that_are_not_utf_8_stay() -> None:
    word = quoted("a\udcff")
    said = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert said.stdout == b"a\xff"


def test_a_command_of_another_tool_gets_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    program = Program(("sh", "go.sh", "${hparam:lr}"), ("WANDB_API_KEY=hush", "A=b c"))
    config = config_of(script="", program=program)
    command = command_of(config, PATHS, State(), TRIAL)
    assert command is not None
    assert command.argv == ("sh", "go.sh", "0.5")
    assert command.is_masked
    assert command.env["WANDB_API_KEY"] == "***"
    assert command.env["A"] == "b c"
    assert command.env["AUTOFINETUNE_SAVED_PARAMS_DIR"] == "/runs/one/round0/model-0"
    assert "PYTHONPATH" not in command.env
    assert "cd / && WANDB_API_KEY='***' 'A=b c'" not in command.as_shell()
    assert " A='b c' " in command.as_shell()


def test_a_script_that_asks_by_a_call_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")
    command = command_of(config_of(passing=CALLS, nni_wire=True), PATHS, State(), TRIAL)
    assert command is not None
    assert '"lr": 0.5' in command.env["AUTOFINETUNE_PARAMS"]
    assert command.env["PYTHONPATH"].endswith("preload/boot:/mine")


def test_tasks_are_not_one_command() -> None:
    program = Program(("a",), tasks=(Task("worker", 2, ("a",)),))
    assert command_of(config_of(program=program), PATHS, State(), TRIAL) is None


def test_only_words_of_the_user_are_masked() -> None:
    config = config_of(script_args=("--token=hush",), warm_args=("--password", "hush"))
    shown = without_secrets(config)
    assert shown.script_args == ("--token=***",)
    assert shown.warm_args == ("--password", "***")
    assert without_secrets(config_of()) == config_of()


def test_a_rerun_trains_one_configuration_alone() -> None:
    config = config_of(popsize=4, round=9, max_trials=30, repeats=2, max_seconds=9.0,
                       target_score=0.5, assessor="medianstop",
                       assessor_options={"start_step": "3"})  # fmt: skip
    again = rerun_of(config, TRIAL, 5)
    assert (again.planned, again.popsize, again.repeats, again.evaluator) == (5, 1, 5, "fulltrail")
    assert (again.assessor, again.max_seconds, again.target_score) == ("none", None, None)
    assert again.replayed == (TRIAL.params,)
