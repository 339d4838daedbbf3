"""The options of a run: defaults and checks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autofinetune.config.config import engine_of
from autofinetune.config.script_args import as_options, option_name
from autofinetune.core.status import Direction
from autofinetune.errors import ConfigError
from autofinetune.strategies import STRATEGIES
from tests.helpers import MIXED, config_of

from .helpers import COMMAND, TASKS, build, command


def mistakes(folder: Path, **changes: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        build(folder, **changes)
    assert caught.value.source == "the command line"
    assert caught.value.tip == "autofinetune --help shows examples"
    return caught.value.mistakes


# --- what is built ------------------------------------------------------------------------------


def test_the_documented_defaults(folder: Path) -> None:
    config = build(folder)
    assert (config.popsize, config.round, config.planned) == (5, 10, 50)
    assert (config.evaluator, config.tuning_strategy) == ("populationbased", "pshe2")
    assert config.direction is Direction.MAXIMIZE
    assert (config.seed, config.script_args, config.warm_args) == (42, (), None)
    assert (config.trial_timeout, config.script_options, config.preload) == (None, None, "none")
    assert (config.script, config.gpu, config.python) == ("train.py", "0", "/usr/bin/python3")
    assert (config.assessor, config.stop_grace) == ("none", 30.0)
    assert (config.max_seconds, config.on_timeout) == (None, "drain")
    assert config.script_path == folder / "train.py"
    assert [parameter.name for parameter in config.space] == ["lr", "units"]


def test_every_option_is_taken(folder: Path) -> None:
    config = build(
        folder, popsize="6", round="3", evaluator="fulltrail", tuning_strategy="hazero", seed="7",
        direction="minimize", trial_timeout="1.5", warm_args="--epochs=2 lr_decay 0.5",
        script_args=("max_seq_len", "128", "--amp"), gpu="GPU-1a,2", assessor="MedianStop",
        assessor_options="start_step=3,min_completed=2", stop_grace="0", max_seconds="7200",
        on_timeout="kill", preload="json,numpy",
    )  # fmt: skip
    assert (config.assessor, config.stop_grace) == ("medianstop", 0.0)
    assert config.assessor_options == {"start_step": "3", "min_completed": "2"}
    assert (config.max_seconds, config.on_timeout) == (7200.0, "kill")
    assert (config.popsize, config.round, config.seed) == (6, 3, 7)
    assert (config.evaluator, config.tuning_strategy) == ("fulltrail", "hazero")
    assert (config.direction, config.trial_timeout) == (Direction.MINIMIZE, 1.5)
    assert config.warm_args == ("--epochs=2", "--lr_decay=0.5")
    assert config.script_args == ("--max_seq_len=128", "--amp")
    assert (config.gpu, config.preload) == ("GPU-1a,2", "json,numpy")


@pytest.mark.parametrize(
    ("option", "written", "meant"),
    [
        ("evaluator", "FullTrail", "fulltrail"),
        ("evaluator", "PopulationBased", "populationbased"),
        ("tuning_strategy", "HAZero", "hazero"),
        ("tuning_strategy", "PSHE2", "pshe2"),
        ("direction", "MINIMIZE", "minimize"),
        ("preload", "Auto", "auto"),
        ("preload", "NONE", "none"),
    ],
)
def test_names_stand_in_any_case(folder: Path, option: str, written: str, meant: str) -> None:
    assert getattr(build(folder, **{option: written}), option) == meant


def test_a_script_of_nni_is_trained_from_scratch_unless_something_else_is_said(
    folder: Path,
) -> None:
    assert build(folder, nni_wire=True).evaluator == "fulltrail"
    given = build(folder, nni_wire=True, evaluator="populationbased")
    assert (given.evaluator, given.nni_wire) == ("populationbased", True)
    assert build(folder, nni_wire=False) == build(folder)


def test_values_of_a_file_have_their_own_types(folder: Path) -> None:
    config = build(
        folder, popsize=2, round=3, seed=0, gpu=0, trial_timeout=30,
        script_args=["max_seq_len", 128, "amp", True], warm_args=["epochs", 2],
    )  # fmt: skip
    assert (config.popsize, config.round, config.seed, config.gpu) == (2, 3, 0, "0")
    assert config.trial_timeout == 30.0
    assert config.script_args == ("--max_seq_len=128", "--amp=True")
    assert config.warm_args == ("--epochs=2",)


def test_script_args_may_be_one_string(folder: Path) -> None:
    config = build(folder, script_args="note 'two words' --amp")
    assert config.script_args == ("--note=two words", "--amp")


def test_empty_warm_args_are_not_the_default(folder: Path) -> None:
    assert build(folder, warm_args="").warm_args == ()


def test_the_space_may_stand_inline(folder: Path) -> None:
    config = build(folder, param_file=None, param_list=MIXED["param_list"])
    assert config.space.describe()["param_list"] != []


def test_paths_are_within_the_working_directory(folder: Path) -> None:
    (folder / "sub dir").mkdir()
    (folder / "sub dir" / "t$(x);.py").write_text("")
    config = build(folder, script="sub dir/t$(x);.py", param_file=str(folder / "hparam.yaml"))
    assert config.script_path.is_file()


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "mistake"),
    [
        ("script", None, "the training script is missing; run: autofinetune train.py ..."),
        ("script", "trian.py", "there is no script 'trian.py' in "),
        ("script", ".", "there is no script '.' in "),
        ("script", "a\0b", r"there is no script 'a\x00b' in "),
        ("param_file", None, "--param_file is missing; give the list of hyperparameters"),
        ("param_file", "no.yaml", "no.yaml: No such file or directory"),
        ("param_file", ".", "Is a directory"),
        ("gpu", None, "--gpu is missing; give card numbers such as --gpu=0,1, or --gpu=cpu:2, or"),
        ("gpu", "", "--gpu is missing"),
        ("max_trials", "0", "--max_trials=0 must be a whole number of at least 1"),
        ("max_trials", "1000001", "--max_trials is above 1000000"),
        ("max_parallel", "0", "--max_parallel=0 must be a whole number from 1 to 1024"),
        ("target_score", "high", "--target_score=high must be a number"),
        ("target_score", "nan", "--target_score=nan must be a number"),
        ("env", ["A"], "env: 'A' is not of the form NAME=value"),
        ("popsize", "0", "--popsize=0 must be a whole number of at least 1"),
        ("popsize", "-3", "--popsize=-3 must be a whole number of at least 1"),
        ("popsize", "2.5", "--popsize=2.5 must be a whole number of at least 1"),
        ("popsize", "many", "--popsize=many must be a whole number of at least 1"),
        ("popsize", "", "--popsize= must be a whole number of at least 1"),
        ("popsize", True, "--popsize=True must be a whole number of at least 1"),
        ("popsize", [5], "--popsize=[5] must be a whole number of at least 1"),
        ("popsize", "9" * 5000, "must be a whole number of at least 1"),
        ("popsize", "100001", "--popsize times --round times --repeats is above 1000000"),
        ("round", "0", "--round=0 must be a whole number of at least 1"),
        ("seed", "-1", "--seed=-1 must be a whole number of at least 0"),
        ("seed", "x", "--seed=x must be a whole number of at least 0"),
        ("trial_timeout", "0", "--trial_timeout=0 must be a number of seconds above 0"),
        ("trial_timeout", "-1", "--trial_timeout=-1 must be a number of seconds above 0"),
        ("trial_timeout", "1h", "--trial_timeout=1h must be a number of seconds above 0"),
        ("trial_timeout", "nan", "--trial_timeout=nan must be a number of seconds above 0"),
        ("trial_timeout", "inf", "--trial_timeout=inf must be a number of seconds above 0"),
        ("trial_timeout", [1], "--trial_timeout=[1] must be a number of seconds above 0"),
        ("trial_timeout", 10**400, "must be a number of seconds above 0"),
        ("max_seconds", "0", "--max_seconds=0 must be a number of seconds above 0"),
        ("stop_grace", "-1", "--stop_grace=-1 must be a number of seconds of at least 0"),
        ("stop_grace", "nan", "--stop_grace=nan must be a number of seconds of at least 0"),
        ("on_timeout", "wait", "--on_timeout=wait is unknown; use one of: drain, kill"),
        ("assessor", "median", "--assessor=median is unknown; use one of: asha, auto, "),
        ("assessor_options", "eta", "'eta' is not of the form name=value"),
        ("evaluator", "full-trail", "--evaluator=full-trail is unknown; use one of: fulltrail, "
                                    "populationbased (did you mean 'fulltrail'?)"),
        ("evaluator", "x", "--evaluator=x is unknown; use one of: fulltrail, populationbased"),
        ("tuning_strategy", "psh2", f"--tuning_strategy=psh2 is unknown; use one of: "
                                    f"{', '.join(STRATEGIES)} (did you mean 'pshe2'?)"),
        ("nni_wire", "yes", "--nni_wire=yes must be true or false"),
        ("nni_wire", 1, "--nni_wire=1 must be true or false"),
        ("exploit", "best", "--exploit=best is unknown; use one of: better_half, "
         "surrogate, truncation"),
        ("direction", "max", "--direction=max is unknown; use one of: maximize, minimize"),
        ("preload", "json,no_such", "--preload=json,no_such: there is no module no_such; install"),
        ("script_args", ("max_seq_len",), "'max_seq_len' after the options has no value"),
        ("script_args", 5, "options for train.py must be words or a list of words, found 5"),
        ("script_args", "'open", "No closing quotation"),
        ("script_args", ("lr", "3"), "--lr=3: lr is already searched; leave it out"),
        ("script_args", ("--units=3",), "--units=3: units is already searched; leave it out"),
        ("script_args", ("--model_path=x",), "--model_path=x: model_path is already passed by"),
        ("script_args", ("saved_params_dir", "x"), "saved_params_dir is already passed by"),
        ("warm_args", "--lr=3", "--lr=3: lr is already searched; leave it out"),
        ("warm_args", "--model_path=x", "--model_path=x: model_path is already passed by"),
        ("warm_args", "epochs", "--warm_args=epochs: 'epochs' after the options has no value"),
        ("warm_args", "'open", "--warm_args='open: No closing quotation"),
        ("warm_args", 3, "--warm_args=3: options for train.py must be words or a list of"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_option(folder: Path, option: str, value: object, mistake: str) -> None:
    (found,) = mistakes(folder, **{option: value})
    assert mistake in found


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    found = mistakes(
        folder, script="no.py", param_file="no.yaml", gpu=None, popsize="0", round="x", seed="-1",
        evaluator="x", tuning_strategy="y", direction="z", trial_timeout="0", script_args=("a",),
        warm_args="b", trials_per_gpu="0", gpus_per_trial="two",
    )  # fmt: skip
    assert len(found) == 14


def test_nothing_at_all_is_three_mistakes(folder: Path) -> None:
    found = mistakes(folder, script=None, param_file=None, gpu=None)
    assert [line.split(" ", 1)[0] for line in found] == ["the", "--gpu", "--param_file"]


@pytest.mark.parametrize("inline", [False, True])
def test_mistakes_of_the_command_line_come_before_those_of_the_space(
    folder: Path, inline: bool
) -> None:
    (folder / "bad.yaml").write_text("param_list: 3\n")
    bad: dict[str, Any] = {"param_list": 3} if inline else {"param_file": "bad.yaml"}
    assert len(mistakes(folder, popsize="0", **bad)) == 1
    with pytest.raises(ConfigError, match="param_list must be a list") as caught:
        build(folder, **bad)
    assert caught.value.source == ("param_list" if inline else str(folder / "bad.yaml"))


# --- commands ------------------------------------------------------------------------------------


def test_a_command_takes_the_place_of_a_script(folder: Path) -> None:
    config = command(folder, env=["A=1"], script_args=("epochs", "3"))
    assert (config.script, config.called) == ("", "sh train.sh")
    assert config.program.command == tuple(COMMAND)
    assert build(folder).called == "train.py"


def test_a_number_of_trials_decides_the_rounds(folder: Path) -> None:
    config = build(folder, max_trials="7", popsize=3, round=50)
    assert (config.planned, config.round) == (7, 3)
    assert build(folder, target_score="0.5").target_score == 0.5


def test_slurm_needs_no_devices(folder: Path) -> None:
    config = build(folder, gpu=None, executor="slurm", sbatch="-t 5 --gres=gpu:1")
    assert (config.gpu, config.placement.sbatch) == ("slurm", "-t 5 --gres=gpu:1")


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"sbatch": "-t 5"}, "--sbatch=-t 5 needs --executor=slurm"),
        ({"executor": "slurm", "sbatch": "'"}, "--sbatch=' cannot be split into words"),
        ({"executor": "slurm", "gpus_per_trial": 2}, "use --sbatch='--gres=gpu:N'"),
        ({"executor": "slurm", "trials_per_gpu": 2}, "Slurm gives each trial its own cards"),
        ({"executor": "slurm", "cpus_per_trial": 2}, "use --sbatch='--cpus-per-task=N'"),
        ({"executor": "slurm", "on_tuner_death": "kill"}, "jobs outlive the tuner"),
        ({"executor": "slurm", "preload": "json"}, "cannot be used with --executor=slurm"),
    ],
)
def test_what_slurm_decides_is_not_decided_here(
    folder: Path, changes: dict[str, Any], mistake: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build(folder, **changes)
    assert len(caught.value.mistakes) == 1
    assert mistake in caught.value.mistakes[0]


def test_replicas_are_ranks(folder: Path) -> None:
    assert command(folder, tasks=TASKS).placement.ranks == 2
    assert command(folder, tasks=TASKS, ranks_per_trial=2).placement.ranks == 2


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        (
            {"command": ["no-such-program"]},
            "the program 'no-such-program' of the command was not found (PATH ",
        ),
        (
            {"command": ["./train.py"]},
            "the program './train.py' of the command is not executable (from ",
        ),
        ({"command": []}, "the training script is missing"),
        (
            {"tasks": [{"command": ["no-such"]}]},
            "the program 'no-such' of the command was not found (PATH ",
        ),
        (
            {"tasks": TASKS, "ranks_per_trial": 3},
            "--ranks_per_trial=3: the tasks of a trial have 2",
        ),
        ({"command": ["sh", "-c", "x"], "script_args": ("a", "1")}, "nothing can be added to the"),
        ({"env": ["API_KEY=***"]}, "the value of API_KEY is not stored in the file"),
    ],
)
def test_a_mistake_in_a_command(folder: Path, changes: dict[str, Any], mistake: str) -> None:
    assert any(mistake in found for found in mistakes(folder, **(
        {"script": None, "command": COMMAND} | changes)))  # fmt: skip


@pytest.mark.parametrize("mode", ["minimize", "Maximize"])
def test_optimize_mode_is_another_word_for_direction(folder: Path, mode: str) -> None:
    words = f"optimize_mode={mode}"
    config = build(folder, tuning_strategy="TPE", strategy_options=words)
    assert config.direction.value == mode.lower()
    build(folder, tuning_strategy="TPE", strategy_options=words, direction=mode.lower())
    assert build(folder, strategy_options="optimize_mode=up").direction.value == "maximize"
    other = "minimize" if mode == "Maximize" else "maximize"
    assert mistakes(folder, strategy_options=words, direction=other) == (
        f"--direction={other} contradicts optimize_mode={mode.lower()} of --strategy_options; "
        "leave one of them out",
    )


def test_several_trials_of_a_configuration_have_no_model_of_their_own() -> None:
    assert not config_of(repeats=2).members_have_models


def test_script_options_are_sorted() -> None:
    assert config_of().with_script_options({"b", "a"}).script_options == ("a", "b")


# --- options for train.py -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), ()),
        (("max_seq_len", "128"), ("--max_seq_len=128",)),
        (("a", "1", "b", "2"), ("--a=1", "--b=2")),
        (("--a=1", "b=2"), ("--a=1", "--b=2")),
        (("--a", "1"), ("--a=1",)),
        (("--amp",), ("--amp",)),
        (("--amp", "--a=1"), ("--amp", "--a=1")),
        (("a", "1", "--amp"), ("--a=1", "--amp")),
        (("--", "--amp", "-v", "x"), ("--", "--amp", "-v", "x")),
        (("--",), ()),
        (("a", "1", "--", "--b=2"), ("--a=1", "--b=2")),
        (("lr_decay", "-1e-3"), ("--lr_decay=-1e-3",)),
        (("--lr_decay", "-1"), ("--lr_decay=-1",)),
        (("offset", "-"), ("--offset=-",)),
        (("name", ""), ("--name=",)),
        (("--name=",), ("--name=",)),
        (("eq", "a=b"), ("--eq=a=b",)),
        (("fit", "--trainer.max_epochs", "3"), ("fit", "--trainer.max_epochs=3")),
        (("fit", "--amp", "--a", "1"), ("fit", "--amp", "--a=1")),
        (("note", "two words; $(id) 😀\n"), ("--note=two words; $(id) 😀\n",)),
        (("-v",), ("-v",)),
        (("-lr", "0.1", "--amp"), ("-lr", "0.1", "--amp")),
        (("a", "1", "-vvv"), ("a", "1", "-vvv")),
        (("fit", "-c", "config.yaml", "--a", "1"), ("fit", "-c", "config.yaml", "--a", "1")),
        (("--amp", "-c", "x"), ("--amp", "-c", "x")),
        (("--layers", "64", "32", "--a", "1"), ("--layers", "64", "32", "--a", "1")),
        (("--layers", "64", "32", "16"), ("--layers", "64", "32", "16")),
        (("cifar10", "resnet", "vgg", "--a", "1"), ("cifar10", "resnet", "vgg", "--a", "1")),
    ],
)
def test_words_become_options(words: tuple[str, ...], options: tuple[str, ...]) -> None:
    assert as_options(words) == options


@pytest.mark.parametrize("words", [("a",), ("a", "1", "b"), ("a", "--"), ("-1e-3", "a")])
def test_a_key_needs_a_value(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="has no value; give options for train"):
        as_options(words)


@settings(deadline=None)
@given(st.lists(st.text("ab=-1. ", max_size=5) | st.sampled_from(["--", "--amp", "--a=1"])))
def test_options_stay_as_they_are(words: list[str]) -> None:
    try:
        options = as_options(words)
    except ValueError:
        return
    assert as_options(options) == options


def test_the_mark_of_typed_words_is_not_passed() -> None:
    assert config_of(script_args=("--", "cifar10", "-v")).args == ("cifar10", "-v")
    assert config_of(script_args=("--a=1", "-v")).args == ("--a=1", "-v")


def test_a_value_typed_as_a_word_of_its_own_is_no_option() -> None:
    assert config_of(script_args=("-m", "learning_rate")).script_args == ("-m", "learning_rate")


@pytest.mark.parametrize(
    ("word", "name"),
    [("--lr=1", "lr"), ("--amp", "amp"), ("--a-b=c=d", "a-b"), ("x", "x"), ("--=1", "")],
)
def test_the_name_of_an_option(word: str, name: str) -> None:
    assert option_name(word) == name


def test_a_timeout_is_finite(folder: Path) -> None:
    limit = build(folder, trial_timeout="1e308").trial_timeout
    assert limit is not None
    assert math.isfinite(limit)


@pytest.mark.parametrize(
    ("given", "logs"),
    [(None, ("visualdl",)), ("none", ()), ("visualdl, none", ("visualdl",)), ([], ())],
)
def test_where_else_a_run_is_logged(folder: Path, given: object, logs: tuple[str, ...]) -> None:
    assert build(folder, log_to=given).log_to == logs


def test_an_unknown_place_to_log_to_is_a_mistake(folder: Path) -> None:
    with pytest.raises(ConfigError, match="--log_to=paper is unknown; use one of: mlflow, none, "):
        build(folder, log_to="visualdl,paper")
    with pytest.raises(ConfigError, match="--log_to=7 must be names separated by commas"):
        build(folder, log_to=7)


def test_an_address_may_follow_the_name_of_ray() -> None:
    assert engine_of("ray:10.0.0.1:6379") == engine_of("ray") == "ray"
    assert engine_of("slurm:x") == "slurm:x"  # which is unknown
