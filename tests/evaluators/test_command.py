"""What a trial gets: its command, its environment and its files."""

from __future__ import annotations

from pathlib import Path

from autofinetune.config.config import OWN_OPTIONS
from autofinetune.config.program import Program, Task
from autofinetune.core.state import Trial
from autofinetune.evaluators import Commands, option_names, start_of_command
from autofinetune.executors.base import Process
from autofinetune.space import Value, load_space
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of, space_of

OUT = RunPaths(Path("/out"))


def commands_of(**fields: object) -> Commands:
    return Commands(config_of(**fields), OUT)  # type: ignore[arg-type]


def trial_of(params: dict[str, Value]) -> Trial:
    return Trial(7, 2, 1, params, None)


def test_the_command_has_constants_and_only_what_is_active() -> None:
    sweep = {"epochs": {"value": 4}, "opt": {"parameters": {"lr": {"value": [1, "a"]}}}}
    space = load_space({"parameters": {"x": {"min": 0.0, "max": 1.0}, **sweep}})
    commands = commands_of(space=space, script_options=("epochs", *OWN_OPTIONS))
    words = commands.command(trial_of({"x": 0.5}), None)[2:]
    assert words[:3] == ("--x=0.5", "--epochs=4", "--opt.lr=[1, 'a']")
    assert commands.warm_args() == ()  # a constant is not overridden


def test_the_environment_says_it_too_as_the_format_of_the_space_has_it() -> None:
    space = load_space(
        {
            "net": {"_type": "choice", "_value": [{"_name": "wide"}, {"_name": "deep"}]},
            "lr": {"_type": "uniform", "_value": [0, 1]},
        }
    )
    commands = commands_of(space=space)
    trial = trial_of({"net": "deep", "lr": 0.5})
    env = commands.environment(trial, None)
    assert env == {
        "AUTOFINETUNE_PARAMS": '{"net": {"_name": "deep"}, "lr": 0.5}',
        "AUTOFINETUNE_PARAMS_FILE": "",
        "AUTOFINETUNE_MODEL_PATH": "",
        "AUTOFINETUNE_SAVED_PARAMS_DIR": "/out/round2/model-1",
        "AUTOFINETUNE_DIRECTION": "maximize",
    }
    continued = commands.environment(trial, Trial(3, 1, 0, {}, None))
    assert continued == env | {"AUTOFINETUNE_MODEL_PATH": "/out/round1/model-0"}


def test_a_trial_of_a_list_gets_one_of_its_sets() -> None:
    sets = [{"lr": 0.1, "opt": "adam"}, {"lr": 0.2, "layers": [1, 2]}]
    for listed, strategy, wanted in [
        (sets, "batch", ('{"lr": 0.2, "layers": [1, 2]}', ("--lr=0.2", "--layers=[1, 2]"))),
        (sets, "random", ('{"combine_params": {"lr": 0.2, "layers": [1, 2]}}', None)),
        ([1, 2], "batch", ('{"combine_params": 2}', ("--combine_params=2",))),
    ]:
        space = load_space({"combine_params": {"_type": "choice", "_value": listed}})
        config = config_of(space, tuning_strategy=strategy)
        commands = Commands(config, OUT)
        trial = trial_of(space.decode([0.9]))
        text, words = wanted
        assert commands.environment(trial, None)["AUTOFINETUNE_PARAMS"] == text
        if words:
            assert commands.command(trial, None)[2:][: len(words)] == words
        is_whole = strategy == "batch" and listed is sets
        named = ["lr", "opt", "layers"] if is_whole else ["combine_params"]
        assert option_names(config) == named


def test_a_script_of_nni_gets_the_options_that_it_declares() -> None:
    trial, parent = trial_of({"lr": 0.5, "units": 4, "optimizer": "sgd"}), Trial(3, 1, 0, {}, None)
    fields = {"nni_wire": True, "passing": "calls", "script_args": ("--amp",)}
    plain = commands_of(**fields)
    assert plain.command(trial, parent)[2:] == ("--amp",)
    both = commands_of(script_options=("model_path", "saved_params_dir"), **fields)
    assert both.command(trial, parent)[2:] == (
        "--amp", "--saved_params_dir=/out/round2/model-1", "--model_path=/out/round1/model-0",
    )  # fmt: skip


def test_the_command_has_every_value_and_option() -> None:
    commands = commands_of(script_args=("--max_seq_len=128",))
    params: dict[str, Value] = {"lr": 1e-05, "n": 3, "opt": "a b;$(x)", "flag": True, "none": None}
    command = commands.command(trial_of(params), None)
    assert command[:2] == ("python", "train.py")
    assert set(command[2:]) == {
        "--lr=1e-05",
        "--n=3",
        "--opt=a b;$(x)",
        "--flag=True",
        "--none=None",
        "--saved_params_dir=/out/round2/model-1",
        "--max_seq_len=128",
    }


def continued(**fields: object) -> tuple[str, ...]:
    commands = commands_of(**fields)
    parent = Trial(2, 0, 2, {}, None)
    return commands.command(trial_of({"lr": 0.1}), parent)


def test_a_continued_trial_gets_the_model_and_one_epoch() -> None:
    command = continued(script_options=("epochs", "lr", *OWN_OPTIONS))
    assert command[-2:] == ("--model_path=/out/round0/model-2", "--epochs=1")


def test_no_epochs_where_the_script_has_none_or_it_is_searched() -> None:
    assert "--epochs=1" not in continued(script_options=("lr", *OWN_OPTIONS))
    assert "--epochs=1" not in continued(script_options=None)
    entry = {"name": "epochs", "type": "int", "init_value": 2, "greater_than": 1, "lower_than": 9}
    space = load_space({"param_list": [entry]})
    assert "--epochs=1" not in continued(space=space, script_options=("epochs", *OWN_OPTIONS))


def test_warm_args_override_and_come_last() -> None:
    command = continued(
        script_options=("epochs", *OWN_OPTIONS),
        warm_args=("--epochs=3",),
        script_args=("--epochs=9",),
    )
    assert command[-1] == "--epochs=3"
    assert "--epochs=1" not in command
    assert continued(script_options=("epochs", *OWN_OPTIONS), warm_args=())[-1].startswith(
        "--model_path="
    )


def test_words_as_typed_come_before_the_hyperparameters() -> None:
    commands = commands_of(script_args=("fit", "--trainer.max_epochs=3"), script_options=("lr",))
    assert commands.command(trial_of({"lr": 0.1}), None) == (
        "python", "train.py", "fit", "--trainer.max_epochs=3", "--lr=0.1",
    )  # fmt: skip
    commands = commands_of(script_args=("--", "-c", "x", "fit"), script_options=("lr",))
    assert commands.command(trial_of({"lr": 0.1}), None) == (
        "python", "train.py", "-c", "x", "fit", "--lr=0.1",
    )  # fmt: skip
    whole = program_of("run", script_args=("fit", "--x=1"), space=space_of("float"))
    assert whole.command(trial_of({"x0": 0.1}), None) == ("run", "fit", "--x=1")


def test_an_executable_that_is_no_python_file_runs_itself(tmp_path: Path) -> None:
    script = tmp_path / "train.sh"
    script.write_text("#!/bin/sh\n")
    config = config_of(script="train.sh", working_dir=str(tmp_path))
    assert start_of_command(config) == ("python", "train.sh")
    script.chmod(0o755)
    assert start_of_command(config) == (str(script),)


# --- commands -----------------------------------------------------------------------------------


def program_of(*words: str, **fields: object) -> Commands:
    program = Program(tuple(words), ("OWN=1",))
    return commands_of(**({"script": "", "program": program} | fields))


def test_a_command_gets_what_its_macros_say_and_nothing_besides() -> None:
    space, trial = space_of("float"), trial_of({"x0": 0.1})
    assert program_of("run", "x", space=space).command(trial, None) == ("run", "x")
    words = ("run", "${hyperparameters}", "${model_options}")
    plain = program_of(*words, space=space)
    assert plain.command(trial, None) == ("run", "--x0=0.1")
    asked = program_of(*words, space=space, script_options=(*OWN_OPTIONS, "x0"))
    parent = Trial(3, 1, 0, {}, None)
    assert asked.command(trial, parent) == (
        "run", "--x0=0.1", "--saved_params_dir=/out/round2/model-1",
        "--model_path=/out/round1/model-0",
    )  # fmt: skip
    assert start_of_command(asked.config) == ("run",)


def test_the_environment_tells_what_the_command_line_may_not() -> None:
    trial, parent = trial_of({"x0": 0.1}), Trial(3, 1, 0, {}, None)
    commands = program_of("run", "${args_json_file}", space=space_of("float"))
    file = str(OUT.params(7, 0))
    assert commands.environment(trial, parent) == {
        "OWN": "1",
        "AUTOFINETUNE_PARAMS": '{"x0": 0.1}',
        "AUTOFINETUNE_PARAMS_FILE": file,
        "AUTOFINETUNE_SAVED_PARAMS_DIR": "/out/round2/model-1",
        "AUTOFINETUNE_MODEL_PATH": "/out/round1/model-0",
        "AUTOFINETUNE_DIRECTION": "maximize",
    }
    assert commands.files(trial, None) == {"params.json": '{"x0": 0.1}'}
    assert commands.command(trial, None) == ("run", file)
    plain = commands_of(space=space_of("float"))
    assert plain.files(trial, None) == {}
    assert plain.environment(trial, None)["AUTOFINETUNE_PARAMS_FILE"] == ""
    assert plain.environment(trial, None)["AUTOFINETUNE_MODEL_PATH"] == ""


def test_tasks_are_processes_in_the_order_of_their_ranks() -> None:
    tasks = (Task("worker", 2, ("w", "${args}"), ("A=1",)), Task("ps", 1, ("p",)))
    program = Program(("w",), tasks=tasks)
    commands = program_of(space=space_of("float"), program=program, script_args=("--n=1",))
    assert commands.processes(trial_of({"x0": 0.1}), None) == (
        Process("worker", ("w", "--x0=0.1", "--n=1"), {"A": "1"}),
        Process("worker", ("w", "--x0=0.1", "--n=1"), {"A": "1"}),
        Process("ps", ("p", "--n=1"), {}, is_service=True),
    )
    assert commands_of().processes(trial_of({}), None) == ()
