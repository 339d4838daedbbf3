"""Error messages and exit codes."""

from __future__ import annotations

import pytest

from autofinetune.errors import (
    AllTrialsFailed,
    AutofinetuneError,
    ConfigError,
    DirectoryBusy,
    EnvironmentProblem,
    Mistake,
    UsageError,
    did_you_mean,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (UsageError, 2),
        (AllTrialsFailed, 3),
        (EnvironmentProblem, 4),
        (DirectoryBusy, 5),
        (AutofinetuneError, 4),
    ],
)
def test_each_kind_has_its_exit_code(kind: type[AutofinetuneError], code: int) -> None:
    error = kind("what is wrong", "what to do")
    assert isinstance(error, AutofinetuneError)
    assert (error.exit_code, error.message, error.tip) == (code, "what is wrong", "what to do")
    assert str(error) == "what is wrong"


def test_a_tip_is_not_needed() -> None:
    assert UsageError("what is wrong").tip is None


def test_a_configuration_mistake_is_bad_usage() -> None:
    error = ConfigError("hparam.yaml", ["hparam.yaml:1:1 first"], "look here")
    assert isinstance(error, UsageError)
    assert (error.exit_code, error.source, error.tip) == (2, "hparam.yaml", "look here")
    assert error.mistakes == ("hparam.yaml:1:1 first",)


@pytest.mark.parametrize(
    ("mistakes", "message"),
    [
        (["a"], "hparam.yaml has 1 mistake:\n  a"),
        (["a", "b"], "hparam.yaml has 2 mistakes:\n  a\n  b"),
    ],
)
def test_all_mistakes_stand_below_each_other(mistakes: list[str], message: str) -> None:
    assert ConfigError("hparam.yaml", mistakes).message == message


def test_a_near_miss_is_named_and_a_far_one_is_not() -> None:
    known = {"float": 1, "int": 2}
    assert did_you_mean("flaot", known) == " (did you mean 'float'?)"
    assert did_you_mean("--rond", ["--round"], str) == " (did you mean --round?)"
    assert did_you_mean("choice", known) == ""


@pytest.mark.parametrize(
    ("mistake", "typed", "in_python"),
    [
        (Mistake("popsize", "must be above 0", 0), "--popsize=0 must be above 0",
         "popsize=0 must be above 0"),
        (Mistake("gpu", "is missing"), "--gpu is missing", "gpu is missing"),
        (Mistake("preload", ": no module x", "x"), "--preload=x: no module x",
         "preload=x: no module x"),
        (Mistake("tasks", "must be a list", part="tasks[0]"), "tasks[0]: must be a list",
         "tasks[0]: must be a list"),
        (Mistake("script", "there is none", is_sentence=True), "there is none", "there is none"),
        (Mistake("", "nothing fits"), "nothing fits", "nothing fits"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_words_of_who_tells_it(
    mistake: Mistake, typed: str, in_python: str
) -> None:
    assert str(mistake) == typed
    assert mistake.worded() == in_python


def test_what_an_error_is_about_is_said_once() -> None:
    error = UsageError("no such card")
    error.about("gpu")
    error.about("popsize")
    assert error.mistake.option == "gpu"
    assert ConfigError("here", [Mistake("gpu", "is missing"), "x"]).mistakes == (
        "--gpu is missing", "x",
    )  # fmt: skip
